"""Tokens made by PyJWT: a list of {"alg", "key", "kid", "claims"} comes in, a list of tokens goes out. The key is a secret, or a private key in PEM."""

import json
import sys

import jwt

wanted = json.load(sys.stdin)
json.dump([jwt.encode(one["claims"], one["key"], algorithm=one["alg"], headers={"kid": one["kid"]}) for one in wanted], sys.stdout)
