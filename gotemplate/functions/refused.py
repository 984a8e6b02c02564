"""Which functions of sprig are not here, and what should one write instead?

A template must give the same text today and tomorrow, on this machine and on that one: the commit
that holds it is the record of what was installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_CHANCE = "it gives another result each time; put the value into the workflow request"
_CLOCK = "it reads the clock; put the time into the workflow request"
_SERVER = "it reads the server's own surroundings; put the value into the workflow request"
_SECRETS = "make keys and password hashes outside and put them into the hardware or the request"

REFUSED_FUNCTIONS: Mapping[str, str] = MappingProxyType(
    {
        name: hint
        for hint, names in {
            _CHANCE: "randAlpha randAlphaNum randAscii randNumeric randInt randBytes shuffle"
            " uuidv4",
            _CLOCK: "now ago date date_in_zone date_modify dateInZone dateModify htmlDate"
            " htmlDateInZone",
            _SERVER: "env expandenv getHostByName",
            _SECRETS: "bcrypt htpasswd derivePassword genPrivateKey genCA genCAWithKey"
            " genSelfSignedCert genSelfSignedCertWithKey genSignedCert genSignedCertWithKey"
            " buildCustomCert encryptAES decryptAES",
        }.items()
        for name in names.split()
    }
)
