"""The service without HTTP: prices, their cache, Amadeus and the state of the worker."""
