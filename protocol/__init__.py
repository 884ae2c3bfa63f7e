"""The Amadeus flight search protocol, as a server speaks it: tokens, searches, errors.

`protocol.app.create_app` makes a server of two parts (`protocol.roles`): an operator, who decides
who may search, and a source of offers.
"""
