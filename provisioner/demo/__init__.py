"""`tink demo`: the whole product on one machine, in a temporary folder."""
