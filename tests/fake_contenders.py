"""Contenders that train nothing, for the tests of the benchmark; what becomes of them is in `FATES`."""

import json
import os
import time


def turn(name, warm_up, seconds):
    fate = json.loads(os.environ["FATES"]).get(name)
    print('"ready"', flush=True)
    input()
    with open(os.environ["LOG"], "a+") as log:
        log.write(f"{name}\n")
        log.seek(0)
        turns = log.read().split().count(name)
    if fate == "dies":
        os._exit(3)
    if fate == "is silent":
        time.sleep(600)
    print([10.0 * 4**turns if fate == "is uneven" else 10.0, 0.5])
