// Searches with the official Node SDK, untouched, and prints what came back as JSON.
const Amadeus = require('amadeus');

const [port, date] = process.argv.slice(2);
const amadeus = new Amadeus({
  clientId: 'me', clientSecret: 'secret', host: '127.0.0.1', port: Number(port),
});
const route = { originLocationCode: 'JFK', destinationLocationCode: 'LAX', departureDate: date };
const body = {
  originDestinations: [{
    id: '1', originLocationCode: 'JFK', destinationLocationCode: 'LAX',
    departureDateTimeRange: { date },
  }],
  travelers: [{ id: '1', travelerType: 'ADULT' }],
  sources: ['GDS'],
  searchCriteria: { maxFlightOffers: 2 },
};

async function main() {
  const search = amadeus.shopping.flightOffersSearch;
  const got = await search.get({ ...route, adults: 1, max: 2 });
  const posted = await search.post(JSON.stringify(body));
  const refused = await search.get({ ...route, adults: 0 }).catch((error) => error);
  console.log(JSON.stringify({
    got: got.data, posted: posted.data, refused: { code: refused.code, errors: refused.description },
  }));
}

main().catch((error) => { console.error(error); process.exit(1); });
