// Searches, then lists all offers, with the official client of Duffel, untouched. Prints what came as JSON.
const { Duffel } = require('@duffel/api');

const [basePath, token, wanted] = process.argv.slice(2);
const { search, list } = JSON.parse(wanted);
const duffel = new Duffel({ token, basePath });

async function main() {
  const { data: asked } = await duffel.offerRequests.create(search);
  const offers = [];
  const pages = duffel.offers.listWithGenerator({ offer_request_id: asked.id, ...list });
  for await (const { data } of pages) offers.push(data);
  return { asked, offers };
}

main()
  .catch(({ status, meta, errors }) => ({ status, meta, errors }))
  .then((seen) => console.log(JSON.stringify(seen)));
