"""Call a module with names that differ only in the look or the spelling of letters.

The arguments are the folder of the client `generated_names.py`, the URL of the broker, and the topic.
The script prints nothing if everything is right.
"""

import sys
from typing import Any

from pydantic import TypeAdapter, ValidationError

sys.path.insert(0, sys.argv.pop(1))

import generated_names as names  # noqa: E402
from generated_names import Client, Greek, Person, Team  # noqa: E402


def is_refused(model: Any, value: object) -> None:
    try:
        read = model.model_validate(value)
    except ValidationError:
        return
    raise AssertionError(read)


def letters(client: Client) -> None:
    # Python also reads the first name as `fit`.
    assert client.ﬁt() == "ligature"
    assert client.fit() == "ligature"
    assert client.fit2() == "letters"
    assert client.letters(0.5, 2.0) == [0.5, 2.0]
    assert client.letters(μ=0.5, μ2=2.0) == [0.5, 2.0]
    # `ϵ` is the field, in every spelling.
    greek = Greek(ϵ=1.0, θ=2.0, μ=3.0, φ=4.0, l=5.0)
    assert client.turned(greek) == Greek(ϵ=-1.0, θ=-2.0, μ=-3.0, φ=-4.0, l=-5.0)
    wire = {"ϵ": 1.0, "ϑ": 2.0, "µ": 3.0, "ϕ": 4.0, "ℓ": 5.0}
    assert greek.model_dump(by_alias=True) == wire
    assert Greek.model_validate(wire) == greek


def spellings(client: Client) -> None:
    # Mega and milli: in requests, in results, and in dicts.
    mega = names.UnitM(m=3.0)
    milli = names.UnitM2(m=4.0)
    for unit, wire in ((mega, {"M": 3.0}), (milli, {"m": 4.0})):
        assert unit.model_dump(by_alias=True) == wire
        answer = client.unit(unit)
        assert (type(answer), answer) == (type(unit), unit)
        unions: Any = TypeAdapter(names.Unit)
        assert unions.validate_python(wire) == unit
    is_refused(names.UnitM, {"m": 3.0})
    is_refused(names.UnitM2, {"M": 3.0})

    for text in ('{"CO": 1.5}', '{"co": 1.5}'):
        gas = client.gas_of(text)
        assert gas.model_dump_json(by_alias=True).replace(":", ": ") == text, gas
        assert client.gas(gas) == gas

    # A further property may have the name of an attribute. It stays unchanged.
    ada: dict[str, Any] = {"firstName": "Ada"}
    ada |= {"first_name": ["Countess"], "her_age": ["in 1843"]}
    person = client.person(Person.model_validate(ada))
    assert (person.first_name, person.her_age) == ("Ada", 0)
    assert person.model_extra == {"first_name": ["Countess"], "her_age": ["in 1843"]}
    assert client.person(person) == person
    sent = Person.model_validate(ada).model_dump(by_alias=True, exclude_unset=True)
    assert sent == ada
    made = Person(first_name="Ada", her_age=27)
    assert made.model_dump(by_alias=True) == {"firstName": "Ada", "herAge": 27}
    is_refused(Person, {"first_name": "Ada"})

    # The same inside of another value.
    team = client.team(Team(head_of=person, all_of=[Person(first_name="Bob")]))
    assert (team.head_of, team.all_of[0].first_name) == (person, "Bob")
    is_refused(Team, {"headOf": {"first_name": "Ada"}, "allOf": []})
    is_refused(Team, {"head_of": ada, "allOf": []})
    assert Team.model_validate({"headOf": ada, "allOf": [person]}).head_of == person

    # A program cannot set a field by its attribute and by its JSON name.
    twice: dict[str, Any] = {"first_name": "Ada", "firstName": "Bob"}
    try:
        Person(**twice)
    except TypeError as error:
        assert str(error) == "a field of Person is given twice"
    else:
        raise AssertionError(twice)


with Client(sys.argv[1], topic=sys.argv[2], timeout=120) as client:
    letters(client)
    spellings(client)
