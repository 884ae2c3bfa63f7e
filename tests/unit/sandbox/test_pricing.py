"""Offers are compared by their rounded prices."""

from protocol.reference.airports import Airports
from protocol.reference.currencies import CURRENCIES
from protocol.request.search import Search, Traveler
from sandbox.offers.itineraries import Departure, Itinerary
from sandbox.offers.journeys import Journey
from sandbox.offers.pricing import Pricing
from sandbox.offers.tariff import PRODUCTS, Tariff
from sandbox.world.dice import Dice
from sandbox.world.exchange_rates import RATES
from sandbox.world.network import Flight

NINE_ADULTS = tuple(Traveler(str(n), "ADULT") for n in range(9))


def test_connecting_flights_are_cheaper() -> None:
    direct = journey(0, 0).itineraries[0]
    changing = direct._replace(departures=direct.departures * 2, name="AC1-AC1")
    tariff = Tariff(Dice("amadeus"))
    assert tariff.fare(changing) < tariff.fare(direct)


def journey(fare: float, taxes: float) -> Journey:
    a, b = Airports().airport("JFK"), Airports().airport("LAX")
    flight = Flight("AC", "AC", "1", a, b, 600, 300, "320", 4000.0, "AC1JFKLAX")
    itinerary = Itinerary((Departure(flight, 0, 18_000),), 1, "AC", 4000.0, 4000.0, "AC1JFKLAX")
    return Journey(fare, taxes, (itinerary,), 4000.0)


def test_offers_are_sorted_after_rounding() -> None:
    rounded_down, rounded_up = journey(100.4, 0.4), journey(100.0, 0.6)
    pricing = Pricing(Search((), NINE_ADULTS, CURRENCIES["EUR"], max_offers=1))
    offers = pricing.cheapest([rounded_up, rounded_down], PRODUCTS[:1])
    assert [(one.journey, one.grand_total) for one in offers] == [(rounded_down, 900)]


def test_faster_offer_comes_first_at_the_same_price() -> None:
    slow, quick = journey(100, 0), journey(100, 0)
    departure = slow.itineraries[0].departures[0]._replace(arrives=20_000)
    slow = slow._replace(itineraries=(slow.itineraries[0]._replace(departures=(departure,)),))
    pricing = Pricing(Search((), NINE_ADULTS, CURRENCIES["EUR"]))
    assert [one.journey for one in pricing.cheapest([slow, quick], PRODUCTS[:1])] == [quick, slow]


def test_each_currency_has_an_exchange_rate() -> None:
    assert RATES.keys() == CURRENCIES.keys()
