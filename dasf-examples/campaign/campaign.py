"""Submits two hundred jobs, and collects their results.

The arguments are the URL of the broker, and a name of the campaign. The program may be killed and
started again at any time: it writes the ids of its jobs to the file NAME.ids and their results to
NAME.results, and goes on where these files end.
"""

import sys
from pathlib import Path

from percolation import Client, Rock

ROCKS = 200
POROSITIES = [0.55, 0.58, 0.60, 0.63]


def lines(path: Path) -> list[str]:
    """Return the lines of a file that may not exist yet."""
    return path.read_text().splitlines() if path.exists() else []


def main(url: str, name: str) -> None:
    """Run a campaign, or the rest of it."""
    ids_path, results_path = Path(f"{name}.ids"), Path(f"{name}.results")
    ids = lines(ids_path)
    rocks = [Rock.model_validate_json(line) for line in lines(results_path)]
    if ids:
        print(f"{len(ids)} jobs were submitted before, {len(rocks)} results collected")

    with Client(url) as client:
        # Each line is in the file before the next job is submitted.
        with ids_path.open("a", buffering=1) as file:
            for seed in range(len(ids), ROCKS):
                porosity = POROSITIES[seed % len(POROSITIES)]
                # If the program was killed before it wrote the id of this job, the key finds the job.
                job = client.submit(key=f"{name}/{seed}").pour(seed, porosity)
                ids.append(job.id)
                print(job.id, file=file)
                if len(ids) % 50 == 0:
                    print(f"{len(ids)} jobs submitted", flush=True)

        with results_path.open("a", buffering=1) as file:
            for id in ids[len(rocks) :]:
                attached = client.attach(id, Rock)
                rock = attached.result()
                rocks.append(rock)
                print(rock.model_dump_json(), file=file)
                # The result is in the file, so the broker need not keep it.
                attached.forget()
                if len(rocks) % 100 == 0:
                    print(f"{len(rocks)} results collected", flush=True)

    for index, porosity in enumerate(POROSITIES):
        leaks = sum(rock.leaks for rock in rocks[index :: len(POROSITIES)])
        print(f"porosity {porosity:.2f}: {leaks} of 50 rocks leak")


if __name__ == "__main__":
    main(*sys.argv[1:])
