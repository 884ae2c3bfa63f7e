"""An Amadeus that anybody can reach: the protocol of Amadeus, with offers of other providers."""
