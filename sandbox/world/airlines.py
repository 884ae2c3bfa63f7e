"""Airlines, their hubs and their aircraft.

As in Amadeus's own test data, there are no low-cost carriers and no American, Delta or British
Airways, and the carriers 6X and 7X are fictional (docs/amadeus.md, section "Test data"). The hubs
and alliances are real; routes, times and flight numbers are invented.
"""

from typing import NamedTuple


class Airline(NamedTuple):
    """An airline. It flies domestic routes only in `country`."""

    code: str
    name: str
    country: str
    hubs: tuple[str, ...]


# Flies between any two busy airports, so that every such pair has a direct flight.
ANYWHERE = "6X"
# Operates regional flights for the other airlines, under their codes.
REGIONAL = "7X"

_TABLE = """
6X  AMADEUS SIX                    --  -
7X  AMADEUS SEVEN                  --  -
A3  AEGEAN AIRLINES                GR  ATH SKG
AC  AIR CANADA                     CA  YYZ YUL YVR YYC
AF  AIR FRANCE                     FR  CDG ORY
AH  AIR ALGERIE                    DZ  ALG
AI  AIR INDIA                      IN  DEL BOM BLR
AM  AEROMEXICO                     MX  MEX MTY
AR  AEROLINEAS ARGENTINAS          AR  EZE AEP
AS  ALASKA AIRLINES                US  SEA PDX SFO LAX ANC
AT  ROYAL AIR MAROC                MA  CMN
AV  AVIANCA                        CO  BOG
AY  FINNAIR                        FI  HEL
AZ  ITA AIRWAYS                    IT  FCO LIN
BG  BIMAN BANGLADESH AIRLINES      BD  DAC
BR  EVA AIR                        TW  TPE
BT  AIR BALTIC                     LV  RIX
CA  AIR CHINA                      CN  PEK CTU
CI  CHINA AIRLINES                 TW  TPE
CM  COPA AIRLINES                  PA  PTY
CX  CATHAY PACIFIC                 HK  HKG
CZ  CHINA SOUTHERN AIRLINES        CN  CAN
EI  AER LINGUS                     IE  DUB
EK  EMIRATES                       AE  DXB
ET  ETHIOPIAN AIRLINES             ET  ADD
EY  ETIHAD AIRWAYS                 AE  AUH
FI  ICELANDAIR                     IS  KEF
FJ  FIJI AIRWAYS                   FJ  NAN
GA  GARUDA INDONESIA               ID  CGK DPS
GF  GULF AIR                       BH  BAH
HA  HAWAIIAN AIRLINES              US  HNL OGG
HY  UZBEKISTAN AIRWAYS             UZ  TAS
IB  IBERIA                         ES  MAD
J2  AZERBAIJAN AIRLINES            AZ  GYD
JL  JAPAN AIRLINES                 JP  HND NRT ITM
JU  AIR SERBIA                     RS  BEG
KC  AIR ASTANA                     KZ  ALA NQZ
KE  KOREAN AIR                     KR  ICN GMP
KL  KLM ROYAL DUTCH AIRLINES       NL  AMS
KM  KM MALTA AIRLINES              MT  MLA
KQ  KENYA AIRWAYS                  KE  NBO
KU  KUWAIT AIRWAYS                 KW  KWI
LA  LATAM AIRLINES                 BR  GRU BSB
LG  LUXAIR                         LU  LUX
LH  LUFTHANSA                      DE  FRA MUC
LO  LOT POLISH AIRLINES            PL  WAW
LX  SWISS INTERNATIONAL AIR LINES  CH  ZRH GVA
ME  MIDDLE EAST AIRLINES           LB  BEY
MH  MALAYSIA AIRLINES              MY  KUL BKI
MK  AIR MAURITIUS                  MU  MRU
MS  EGYPTAIR                       EG  CAI
MU  CHINA EASTERN AIRLINES         CN  PVG SHA KMG
NH  ALL NIPPON AIRWAYS             JP  HND NRT CTS
NZ  AIR NEW ZEALAND                NZ  AKL CHC WLG
OS  AUSTRIAN AIRLINES              AT  VIE
OU  CROATIA AIRLINES               HR  ZAG
OZ  ASIANA AIRLINES                KR  ICN
PK  PAKISTAN INTERNATIONAL         PK  ISB KHI LHE
PR  PHILIPPINE AIRLINES            PH  MNL CEB
PX  AIR NIUGINI                    PG  POM
QF  QANTAS AIRWAYS                 AU  SYD MEL BNE PER
QR  QATAR AIRWAYS                  QA  DOH
RJ  ROYAL JORDANIAN                JO  AMM
RO  TAROM                          RO  OTP
SA  SOUTH AFRICAN AIRWAYS          ZA  JNB CPT
SK  SAS SCANDINAVIAN AIRLINES      SE  ARN CPH OSL
SN  BRUSSELS AIRLINES              BE  BRU
SQ  SINGAPORE AIRLINES             SG  SIN
SV  SAUDIA                         SA  JED RUH
TG  THAI AIRWAYS INTERNATIONAL     TH  BKK
TK  TURKISH AIRLINES               TR  IST
TP  TAP AIR PORTUGAL               PT  LIS OPO
TU  TUNISAIR                       TN  TUN
UA  UNITED AIRLINES                US  EWR ORD DEN IAH SFO LAX IAD
UL  SRILANKAN AIRLINES             LK  CMB
UX  AIR EUROPA                     ES  MAD PMI
VA  VIRGIN AUSTRALIA               AU  BNE SYD MEL
VN  VIETNAM AIRLINES               VN  HAN SGN
VS  VIRGIN ATLANTIC                GB  LHR MAN
WB  RWANDAIR                       RW  KGL
WY  OMAN AIR                       OM  MCT
"""


def _read(table: str) -> dict[str, Airline]:
    airlines = {}
    for line in table.strip().splitlines():
        code, rest = line[:2], line[4:]
        name, country, hubs = rest[:31].strip(), rest[31:33], rest[33:].split()
        airlines[code] = Airline(code, name, country, tuple(hub for hub in hubs if hub != "-"))
    return airlines


AIRLINES: dict[str, Airline] = _read(_TABLE)

_ALLIANCES = """
A3 AC AI AV BR CA CM ET LH LO LX MS NH NZ OS OU OZ SA SN SQ TG TK TP UA
AF AM AR CI GA KE KL KQ ME MU RO SK SV UX VN VS
AS AT AY CX FJ IB JL MH QF QR RJ UL WY
"""

# The other members of each airline's alliance. They operate flights for it, under its code.
PARTNERS: dict[str, tuple[str, ...]] = {
    code: tuple(other for other in members if other != code)
    for members in map(str.split, _ALLIANCES.strip().splitlines())
    for code in members
}

_BY_WEIGHT = """
AH AI AT BG CZ EK ET EY GA GF HY J2 KC KQ KU MH MS MU PK PR QR SQ SV TG TK TU UL VN WY
"""
_BY_NUMBER = "BR CA CI CX FJ JL KE LA NH OZ PX"

# Airlines that limit checked bags by weight. All others limit their number.
BAGS_BY_WEIGHT = frozenset(_BY_WEIGHT.split())
# Airlines whose lightest fare includes a checked bag.
BAG_IN_EACH_FARE = BAGS_BY_WEIGHT | {*_BY_NUMBER.split()}

AIRCRAFT: dict[str, str] = {
    "AT7": "ATR 72",
    "E75": "EMBRAER 175",
    "E90": "EMBRAER 190",
    "223": "AIRBUS A220-300",
    "320": "AIRBUS A320",
    "321": "AIRBUS A321",
    "738": "BOEING 737-800",
    "32Q": "AIRBUS A321NEO",
    "333": "AIRBUS A330-300",
    "359": "AIRBUS A350-900",
    "772": "BOEING 777-200",
    "77W": "BOEING 777-300ER",
    "789": "BOEING 787-9",
}

# The aircraft for flights of up to so many kilometres.
FLEETS: tuple[tuple[float, tuple[str, ...]], ...] = (
    (600, ("AT7", "E75", "320")),
    (2_500, ("E90", "223", "320", "738")),
    (5_500, ("321", "738", "32Q")),
    (9_000, ("333", "789", "772")),
    (float("inf"), ("359", "77W", "789")),
)
