"""Calls the module `river` from Python, and prints a report. The argument is the URL of the broker."""

import sys
from datetime import date

from river import Client, ModuleError

with Client(sys.argv[1]) as client:
    print("Stations")
    for station in client.stations():
        print(f"  {station.name}, {station.first} to {station.last}")

    print("Levels at Millford")
    for day in client.levels("Millford", date(2024, 3, 10), days=5):
        level = "no value" if day.level is None else f"{day.level:.3f} m"
        print(f"  {day.date}  {level}")

    highest = client.monthly("Millford", 2024, statistic="highest")
    print(f"Highest level of 2024: {max(level for level in highest if level is not None):.3f} m")

    year = client.year("Millford", 2024)
    print(f"Days above 2.5 m: {year.days_above(2.5)}")
    print(f"Days without a value: {len(year.gaps())}")

    # Programs compare the code of an error, and people read its text.
    try:
        client.levels("Atlantis", date(2024, 3, 10))
    except ModuleError as error:
        print(f"{error.code}: {error} {error.details}")

    # The module reports its progress while it works.
    chance = client.with_options(on_progress=print).flood_chance("Millford", 3.5)
    print(f"Chance of 3.5 m within a year: {chance:.1%}")
