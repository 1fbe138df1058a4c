"""Generated questions: minimal pairs with different answers, and paraphrases with the same one, in three parts.

`tuned` was looked at while the guards were written. `second` was written before the guards were first run on it; what that run
showed (a quarter to half of its distant twins passed) led to the guard `topic`. `last` was written after that guard and the
word lists were frozen, and nothing was changed because of it. Nothing here reads the guards' word lists.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Digest

TUNED, SECOND, LAST = PARTS = "tuned", "second", "last"


class Pair(NamedTuple):
    """Two questions; category names what differs, or the intent they share."""

    first: str
    second: str
    category: str
    half: str


def words(line: str) -> list[str]:
    """The words of a line."""
    return line.split()


SLOTS: dict[str, dict[str, list[str]]] = {
    TUNED: {
        "city": words("Paris London Rome Madrid Vienna Oslo Prague Lisbon Dublin Athens Berlin Warsaw"),
        "n": words("2 3 5 8 10 12 15 20 25 50 100 250 1,000 2,500"),
        "cur": words("USD EUR GBP JPY CHF"),
        "unit": words("miles kilometres metres inches yards"),
        "product": ["basic plan", "family plan", "starter kit", "travel card", "premium account", "student pass"],
        "feature": [
            "dark mode",
            "two-factor authentication",
            "push notifications",
            "automatic backups",
            "location sharing",
            "email alerts",
            "single sign-on",
            "screen recording",
            "voice control",
            "spell checking",
        ],
        "thing": words("invoices reports photos contacts tickets projects"),
        "brand": words("Nokia Siemens Toyota Philips Canon Bosch Volvo Sony Fiat Lego"),
        "month": words("January February April June July September November"),
        "year": words("1998 2005 2012 2016 2019 2021 2023"),
        "day": words("Monday Tuesday Wednesday Friday Saturday Sunday"),
        "soft": words("Python Django Kubernetes PostgreSQL Redis Kafka Terraform Ubuntu"),
        "v": words("3.1 3.2 4.0 4.1 5.0 5.1 5.2 6.3"),
        "l": words("A B C D E F G H"),
    },
    SECOND: {
        "n": words("4 6 7 9 11 14 18 30 40 75 120 600"),
        "place": words("france japan brazil kenya norway poland chile egypt india peru greece vietnam"),
        "town": words("Leeds Porto Bergen Ghent Turin Graz Malmo Basel Cork Lyon"),
        "coin": words("dollars euros yen pounds francs rupees"),
        "measure": words("cups grams ounces litres tablespoons pints"),
        "doc": ["lease", "tax form", "expense report", "travel request", "contract", "visa application", "insurance claim"],
        "who": words("Anna Ben Carla David Emma Felix Grace Hugo Irene Jonas"),
        "food": words("cheese honey rice bread tofu salmon spinach chocolate coffee yoghurt"),
        "device": words("printer router fridge laptop scanner heater camera speaker"),
        "lib": words("numpy flask react pandas rails spring kotlin angular"),
        "v": words("1.4 1.5 2.0 2.7 7.1 8.8 9.2 10.3"),
        "feast": words("Christmas Easter Ramadan Diwali Thanksgiving Hanukkah"),
        "when": words("monday thursday friday saturday sunday tuesday"),
        "l": words("B C D E K P R S"),
        "role": words("manager auditor treasurer tenant supervisor client director trainee"),
        "tint": words("red blue green black white yellow"),
    },
    LAST: {
        "n": words("3 5 8 16 21 35 60 90 150 365 480"),
        "plant": words("tomatoes roses basil lavender tulips carrots ferns onions orchids lemons"),
        "soil": words("clay sand peat compost gravel"),
        "club": words("Ajax Arsenal Benfica Celtic Chelsea Juventus Porto Sevilla Valencia"),
        "ward": words("cardiology oncology radiology surgery maternity neurology"),
        "pill": words("aspirin ibuprofen insulin metformin penicillin codeine"),
        "fund": ["savings account", "pension fund", "credit card", "mortgage", "student loan", "brokerage account"],
        "nurse": words("Olga Pedro Quinn Rosa Stefan Tara Umar Vera"),
        "town": words("Bonn Nice Bath Pisa Gdansk Tartu Bergamo Utrecht"),
        "month": words("March May August October December"),
        "song": ["Yellow", "Imagine", "Hurt", "Creep", "Toxic", "Halo"],
        "metal": words("copper iron silver zinc nickel lead"),
        "l": words("C F H K L M T V"),
        "cmd": words("git npm docker cargo helm pip"),
        "flag": words("--force --quiet --global --dry-run --all --no-cache"),
    },
}

# category -> (one question, its twin with another answer); {x} and {x2} are different fillers of one slot
TWINS: dict[str, dict[str, list[tuple[str, str]]]] = {
    TUNED: {
        "numbers": [
            ("How much does a {n} GB plan cost in {city}?", "How much does a {n2} GB plan cost in {city}?"),
            ("Can {n} people share the {product}?", "Can {n2} people share the {product}?"),
        ],
        "units": [
            ("Convert {n} {cur} to {cur2}", "Convert {n} {cur2} to {cur}"),
            ("How many {unit} are in {n} {unit2}?", "How many {unit2} are in {n} {unit}?"),
        ],
        "negation": [
            ("Which {thing} are included in the {product}?", "Which {thing} are not included in the {product}?"),
            ("Is it possible to have {feature} with the {product}?", "Is it impossible to have {feature} with the {product}?"),
        ],
        "opposites": [
            ("How do I enable {feature} on the {product}?", "How do I disable {feature} on the {product}?"),
            ("Where can I buy the {product} in {city}?", "Where can I sell the {product} in {city}?"),
        ],
        "names": [
            ("Who was the mayor of {city} in {year}?", "Who was the mayor of {city2} in {year}?"),
            ("Does {brand} repair {thing} in {city}?", "Does {brand2} repair {thing} in {city}?"),
        ],
        "dates": [
            ("What happened in {city} in {month} {year}?", "What happened in {city} in {month2} {year}?"),
            ("Is the {brand} shop in {city} open on {day}?", "Is the {brand} shop in {city} open on {day2}?"),
        ],
        "versions": [
            ("What is new in {soft} {v}?", "What is new in {soft} {v2}?"),
            ("Does {soft} {v} support {feature}?", "Does {soft} {v2} support {feature}?"),
        ],
        "direction": [
            ("Which flights go from {city} to {city2} on {day}?", "Which flights go from {city2} to {city} on {day}?"),
            ("How do I migrate {thing} from {soft} to {soft2}?", "How do I migrate {thing} from {soft2} to {soft}?"),
        ],
        "quantifiers": [
            ("Do all users of the {product} get {feature}?", "Do some users of the {product} get {feature}?"),
            ("Can I export every one of my {thing} from {soft}?", "Can I export none of my {thing} from {soft}?"),
        ],
        "comparison": [
            ("Was {city} bigger than {city2} in {year}?", "Was {city2} bigger than {city} in {year}?"),
            ("Is {soft} faster than {soft2} for {thing}?", "Is {soft} slower than {soft2} for {thing}?"),
        ],
        "question": [
            ("When did {brand} open its office in {city}?", "Where did {brand} open its office in {city}?"),
            ("How many {thing} does the {product} hold?", "Why does the {product} hold {thing}?"),
        ],
        "labels": [
            ("What is the limit for plan {l} in {city}?", "What is the limit for plan {l2} in {city}?"),
            ("Where is gate {l} at {city} airport?", "Where is gate {l2} at {city} airport?"),
        ],
    },
    SECOND: {
        "numbers": [
            (
                "is there a discount for {n} or more of the {tint} {device}s",
                "is there a discount for {n2} or more of the {tint} {device}s",
            ),
            ("My {n} {device}s came late, what now?", "My {n2} {device}s came late, what now?"),
        ],
        "units": [
            ("what do {n} {measure} of {food} come to in {measure2}", "what do {n} {measure2} of {food} come to in {measure}"),
            ("if I pay {n} {coin} how many {coin2} do I receive", "if I pay {n} {coin2} how many {coin} do I receive"),
        ],
        "negation": [
            (
                "Is {food} fine for a person who eats gluten in {town}?",
                "Is {food} fine for a person who never eats gluten in {town}?",
            ),
            ("Does {who} agree with the {doc}?", "Does {who} disagree with the {doc}?"),
        ],
        "opposites": [
            ("How can I mute the {tint} {device}?", "How can I unmute the {tint} {device}?"),
            ("Why is {who}'s {device} so loud?", "Why is {who}'s {device} so quiet?"),
        ],
        "names": [
            ("who wrote the national anthem of {place}", "who wrote the national anthem of {place2}"),
            ("Has {who} handed in the {doc}?", "Has {who2} handed in the {doc}?"),
        ],
        "dates": [
            ("Will {who} be paid before {feast}?", "Will {who} be paid before {feast2}?"),
            ("what was on the menu in {town} last {when}", "what will be on the menu in {town} next {when}"),
        ],
        "versions": [
            ("{lib} v{v} crashes on my {device}", "{lib} v{v2} crashes on my {device}"),
            ("Which release notes mention {lib} {v}?", "Which release notes mention {lib} {v2}?"),
        ],
        "direction": [
            ("Did {who} send the {doc} to {who2}?", "Did {who2} send the {doc} to {who}?"),
            (
                "trains leaving {town} for {town2} with {food} on board",
                "trains leaving {town2} for {town} with {food} on board",
            ),
        ],
        "quantifiers": [
            ("Must both owners in {town} sign the {doc}?", "Must either owner in {town} sign the {doc}?"),
            ("Are most {device}s in {town} {tint}?", "Are the fewest {device}s in {town} {tint}?"),
        ],
        "comparison": [
            ("Does {who} earn more than {who2} in {town}?", "Does {who2} earn more than {who} in {town}?"),
            ("What weighs more, a {device} or a bag of {food}?", "What weighs less, a {device} or a bag of {food}?"),
        ],
        "question": [
            ("How long does the {doc} take in {town}?", "How often does the {doc} take place in {town}?"),
            ("Who approves the {doc} for the {role}?", "When is the {doc} for the {role} approved?"),
        ],
        "labels": [
            ("Does exit {l} in {town} have a lift?", "Does exit {l2} in {town} have a lift?"),
            ("how is hepatitis {l} treated in {place}", "how is hepatitis {l2} treated in {place}"),
        ],
        "roles": [
            ("Can the {role} overrule the {role2} on the {doc}?", "Can the {role2} overrule the {role} on the {doc}?"),
            (
                "What does the {tint} {device} with {food} stains cost?",
                "What does the {tint2} {device} with {food} stains cost?",
            ),
        ],
    },
    LAST: {
        "numbers": [
            ("May I take {n} mg of {pill} a day?", "May I take {n2} mg of {pill} a day?"),
            ("rows of {plant} every {n} cm in {soil}", "rows of {plant} every {n2} cm in {soil}"),
        ],
        "units": [
            ("Is {n} grams of {metal} worth a kilo of {metal2}?", "Is {n} grams of {metal2} worth a kilo of {metal}?"),
            ("Do {plant} need {n} hours of sun?", "Do {plant} need {n} days of sun?"),
        ],
        "negation": [
            ("Which visitors may enter {ward} in {town}?", "Which visitors may not enter {ward} in {town}?"),
            ("What if {nurse} has taken {pill}?", "What if {nurse} hasn't taken {pill}?"),
        ],
        "opposites": [
            ("How do I freeze my {fund} in {town}?", "How do I unfreeze my {fund} in {town}?"),
            ("When should {plant} in {soil} be planted?", "When should {plant} in {soil} be harvested?"),
        ],
        "names": [
            ("Who is the captain of {club} since {month}?", "Who is the captain of {club2} since {month}?"),
            ("can {pill} be given in {ward}", "can {pill2} be given in {ward}"),
        ],
        "dates": [
            ("What did {club} win in {month}?", "What did {club} win in {month2}?"),
            ("Is the {ward} ward in {town} open tomorrow?", "Is the {ward} ward in {town} open today?"),
        ],
        "versions": [
            ("What does {cmd} 2.{n} change?", "What does {cmd} 2.{n2} change?"),
            ("what does {cmd} {flag} do in {town}", "what does {cmd} {flag2} do in {town}"),
        ],
        "direction": [
            ("Did {club} lose to {club2} in {month}?", "Did {club2} lose to {club} in {month}?"),
            ("Should {metal} go on top of {metal2} in {soil}?", "Should {metal2} go on top of {metal} in {soil}?"),
        ],
        "quantifiers": [
            ("Do {plant} ever grow in {soil}?", "Do {plant} always grow in {soil}?"),
            ("Can everyone with a {fund} in {town} vote?", "Can hardly anyone with a {fund} in {town} vote?"),
        ],
        "comparison": [
            ("Are {plant} hardier than {plant2} in {soil}?", "Are {plant2} hardier than {plant} in {soil}?"),
            ("Is {metal} a better conductor than {metal2}?", "Is {metal} a worse conductor than {metal2}?"),
        ],
        "question": [
            ("Who sang {song} in {town}?", "When did someone sing {song} in {town}?"),
            ("How much {pill} is in stock in {town}?", "How old is the {pill} in stock in {town}?"),
        ],
        "labels": [
            ("What is on floor {l} of {ward} in {town}?", "What is on floor {l2} of {ward} in {town}?"),
            ("side effects of vitamin {l} with {pill}", "side effects of vitamin {l2} with {pill}"),
        ],
        "roles": [
            ("Does {nurse} report to {nurse2} in {ward}?", "Does {nurse2} report to {nurse} in {ward}?"),
            ("Is my {fund} safe in {town}?", "Is your {fund} safe in {town}?"),
        ],
    },
}

# every line asks one thing in several ways
INTENTS: dict[str, list[list[str]]] = {
    TUNED: [
        [
            "How do I set up {feature} on my {brand} phone?",
            "What steps do I follow to set up {feature} on a {brand} phone?",
            "Please explain how to set {feature} up on my {brand} phone",
            "how can {feature} be set up on my {brand} phone",
        ],
        [
            "What does a ticket to {city} cost in {month}?",
            "How much is a ticket to {city} in {month}?",
            "Tell me the price of a {city} ticket in {month}",
            "What is the price of tickets to {city} for {month}?",
        ],
        [
            "Where do I find my {thing} in {soft}?",
            "Where are my {thing} in {soft}?",
            "Can you tell me where {soft} keeps my {thing}?",
            "In {soft}, where can I see my {thing}?",
        ],
        [
            "When was the {brand} factory in {city} founded?",
            "In what year was the {brand} factory in {city} founded?",
            "Tell me when {brand} founded its {city} factory",
            "When did {brand} found its factory in {city}?",
        ],
        [
            "Why is {soft} {v} so slow?",
            "What makes {soft} {v} so slow?",
            "What is the reason that {soft} {v} is slow?",
            "Do you know why {soft} {v} runs slowly?",
        ],
        [
            "Do you deliver the {product} to {city}?",
            "Can I have the {product} delivered to {city}?",
            "Is delivery of the {product} to {city} possible?",
            "Does the {product} get delivered to {city}?",
        ],
        [
            "How many people live in {city} as of {year}?",
            "What is the number of people living in {city} in {year}?",
            "How many inhabitants does {city} have in {year}?",
            "{city} {year} population",
        ],
        [
            "How do I cancel the {product} I bought in {month}?",
            "I bought a {product} in {month}, how do I cancel it?",
            "What is the procedure to cancel a {product} bought in {month}?",
            "Please help me cancel my {product} from {month}",
        ],
    ],
    SECOND: [
        [
            "How do I return a broken {tint} {device}?",
            "My {tint} {device} is broken, how can I send it back?",
            "What do I do to return a {tint} {device} that is broken?",
            "I would like to return my broken {tint} {device}",
        ],
        [
            "Who signs the {doc} in {town}?",
            "Which person signs the {doc} in {town}?",
            "Who is it that has to sign a {doc} in {town}?",
            "Do you know who is responsible for signing the {doc} in {town}?",
        ],
        [
            "Is {food} from {place} healthy?",
            "Is it healthy to eat {food} from {place}?",
            "Would you say that {food} from {place} is good for your health?",
            "Are there health benefits of {food} from {place}?",
        ],
        [
            "How long does it take to get from {town} to {town2} by train?",
            "What is the train travel time from {town} to {town2}?",
            "How much time does the train from {town} to {town2} need?",
            "How long is the train ride from {town} to {town2}?",
        ],
        [
            "What is the capital of {place} famous for?",
            "Why is the capital city of {place} famous?",
            "What is {place}'s capital known for?",
            "For what is the capital of {place} best known?",
        ],
        [
            "How do I install {lib} {v}?",
            "How can I get {lib} {v} installed?",
            "What is the command to install {lib} {v}?",
            "Installing {lib} {v}: how does it work?",
        ],
        [
            "Can I hand in the {doc} after {feast}?",
            "Is it ok to submit the {doc} after {feast}?",
            "May I turn in my {doc} once {feast} is over?",
            "Is handing the {doc} in after {feast} allowed?",
        ],
        [
            "My {device} makes a strange noise since {when}",
            "Since {when} there is a strange noise coming from my {device}",
            "Why has my {device} been making a weird noise since {when}?",
            "The {device} has sounded strange since {when}",
        ],
    ],
    LAST: [
        [
            "How often do I water {plant} in {soil}?",
            "How often should {plant} in {soil} be watered?",
            "How frequently do {plant} in {soil} need water?",
            "watering {plant} in {soil}: how often?",
        ],
        [
            "Who coached {club} in {month} {n}?",
            "Who was the coach of {club} in {month} {n}?",
            "Tell me who coached {club} in {month} {n}",
            "Which coach did {club} have in {month} {n}?",
        ],
        [
            "Can {pill} be taken with {pill2}?",
            "Is it safe to take {pill} together with {pill2}?",
            "Can I take {pill} with {pill2}?",
            "Could you tell me if I can take {pill} with {pill2}?",
        ],
        [
            "How do I close my {fund} in {town}?",
            "How can I close my {fund} in {town}?",
            "I want to close my {fund} in {town}, what do I have to do?",
            "Please explain how to close a {fund} in {town}",
        ],
        [
            "Where is the {ward} ward in {town}?",
            "Where can I find the {ward} ward in {town}?",
            "In which building is the {town} {ward} ward?",
            "Hello, where do I find {ward} in {town}?",
        ],
        [
            "What is the melting point of {metal} in {soil}?",
            "At what temperature does {metal} melt in {soil}?",
            "What's the melting point of {metal} in {soil}, please?",
            "melting point of {metal} in {soil}",
        ],
        [
            "Who wrote the song {song} for {nurse}?",
            "Who is the writer of the song {song} for {nurse}?",
            "Do you know who wrote the song {song} for {nurse}?",
            "The song {song} for {nurse} was written by whom?",
        ],
        [
            "How do I uninstall {cmd} with {flag} on {n} machines?",
            "How can I uninstall {cmd} with {flag} on {n} machines?",
            "What is the way to uninstall {cmd} on {n} machines with {flag}?",
            "How would one remove {cmd} with {flag} from {n} machines?",
        ],
    ],
}


def fill(templates: Sequence[str], half: str, seed: int, count: int) -> list[tuple[str, ...]]:
    """Up to `count` different fillings of the templates, all of one filling with the same words."""
    names = sorted({name for template in templates for name in re.findall(r"{(\w+)}", template)})
    coin = random.Random(f"{seed}{templates[0]}")
    found: dict[tuple[str, ...], None] = {}
    for _ in range(count * 20):
        values: dict[str, str] = {}
        for name in names:
            taken = {value for other, value in values.items() if other.rstrip("2") == name.rstrip("2")}  # x, x2, x22 all differ
            values[name] = coin.choice([v for v in SLOTS[half][name.rstrip("2")] if v not in taken])
        found[tuple(template.format(**values) for template in templates)] = None
        if len(found) == count:
            break
    return list(found)


def adversarial_pairs(*, each: int, seed: int = 7) -> list[Pair]:
    """Up to `each` pairs of every template, no question in two pairs of one order."""
    found: dict[frozenset[str], Pair] = {}
    for half, categories in TWINS.items():
        for category, templates in categories.items():
            for template in templates:
                for first, second in fill(template, half, seed, each):
                    found.setdefault(frozenset((first, second)), Pair(first, second, category, half))
    return list(found.values())


def paraphrase_groups(*, each: int, seed: int = 7) -> list[tuple[str, tuple[str, ...]]]:
    """(half, the same question in several ways)."""
    return [
        (half, forms) for half, intents in INTENTS.items() for forms_ in intents for forms in fill(forms_, half, seed, each)
    ]


def distant_twins(*, each: int, seed: int = 7) -> list[Pair]:
    """Pairs with another answer that are not minimal: one filler changed and the question put in another way as well."""
    found: dict[tuple[str, str], Pair] = {}
    for half, intents in INTENTS.items():
        for number, forms in enumerate(intents):
            slots = sorted(set(re.findall(r"{(\w+)}", forms[0])) - {name + "2" for name in SLOTS[half]})
            for place, slot in enumerate(slots):
                first, second = forms[place % len(forms)], forms[(place + 1) % len(forms)]
                other = second.replace("{" + slot + "2}", "{" + slot + "9}").replace("{" + slot + "}", "{" + slot + "22}")
                for a, b in fill((first, other.replace("9}", "2}")), half, seed, each):
                    found[(a, b)] = Pair(a, b, f"{half} {number} {slot}", half)
    return list(found.values())


class WordBag:
    """An embedder that needs no weights: a hashed bag of words, so that word order never counts. Real vectors, poor meaning."""

    dimension = 128
    digest = Digest("sha256:" + "0" * 64)

    def __init__(self) -> None:
        self.record: JsonObject = {"kind": "embedder", "version": 1, "name": "word-bag"}

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, 128), rows of length 1."""
        rows = np.zeros((len(texts), self.dimension), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in re.findall(r"\w+", text.lower()) or [""]:
                spread = np.frombuffer(hashlib.sha256(word.encode()).digest() * 4, np.uint8)
                row += spread.astype(np.float32) - 127.5
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows
