"""A CycloneDX 1.6 bill of materials of a release (ML-BOM), by cyclonedx-python-lib, which only this module imports.

Export only: nothing reads it back. The same release and evidence give the same bytes.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, cast

from shipway.kernel import media
from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.digest import Digest, is_digest, short
from shipway.kernel.errors import ShipwayError
from shipway.release._bom_cards import component_data, model_card, provider_card, reference
from shipway.release._facts import PartFacts, ReleaseFacts, text_at

if TYPE_CHECKING:
    from cyclonedx.model import HashType
    from cyclonedx.model.component import Component as BomComponent

BOM = media.CYCLONEDX
_SPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://shipway.dev/release")  # serial numbers are names in it


class BomUnavailable(ShipwayError):
    """The library that writes bills of materials is not installed."""

    code = "release.bom-unavailable"


def render_bom(facts: ReleaseFacts, *, about: Mapping[str, str] | None = None) -> str:
    """The bill of materials as JSON: release, components, models with their cards, libraries, who depends on whom.

    about: intended use, by name of the model. The serial number is a function of the release, the version grows with the
    statements about it. Raises BomUnavailable.
    """
    try:
        from cyclonedx.model.bom import Bom, BomMetaData
        from cyclonedx.model.dependency import Dependency
        from cyclonedx.output.json import JsonV1Dot6
    except ImportError as problem:
        raise BomUnavailable("cyclonedx-python-lib is not installed", mend="pip install 'shipway[bom]'") from problem
    made = _Parts(facts)
    bom = Bom(
        components=made.parts.values(),
        serial_number=uuid.uuid5(_SPACE, facts.release),
        version=max(1, facts.statements),
        metadata=BomMetaData(component=made.release),
    )
    for source, targets in made.dependencies().items():
        bom.dependencies.add(Dependency(source.bom_ref, [Dependency(target.bom_ref) for target in targets]))
    return _finished(json.loads(JsonV1Dot6(bom).output_as_string()), _cards(facts, about or {}))


class _Parts:
    """Every component of the bill, by its reference."""

    def __init__(self, facts: ReleaseFacts) -> None:
        self.facts = facts
        self.libraries = {f"{pin.name}@{pin.version}": _library(pin.name, pin.version, pin.hashes) for pin in facts.pins}
        self.own = {reference(part): _component(part) for part in facts.parts}
        self.parts: dict[str, BomComponent] = {**self.own, **self.libraries}
        self.release = _release(facts)

    def dependencies(self) -> dict[BomComponent, list[BomComponent]]:
        """The release needs its parts, a model what made it, an environment its libraries, a prompt what answers it."""
        found: dict[BomComponent, list[BomComponent]] = {self.release: list(self.own.values())}
        for part in self.facts.parts:
            kind = part.component.kind
            needs = {"model": ("data", "code", "environment", "pipeline"), "prompt": ("provider", "index")}.get(kind, ())
            found[self.own[reference(part)]] = [self.own[reference(other)] for word in needs for other in self.facts.of(word)]
            if kind == "environment":
                found[self.own[reference(part)]] = list(self.libraries.values())
        return found


def _release(facts: ReleaseFacts) -> BomComponent:
    from cyclonedx.model import Property
    from cyclonedx.model.component import Component, ComponentType

    name = facts.application or "release"
    gone = [Property(name="shipway:revoked", value=text_at(facts.revoked.predicate, "why"))] if facts.revoked else []
    return Component(
        name=name,
        type=ComponentType.APPLICATION,
        version=facts.release,
        bom_ref=f"release@{facts.release}",
        hashes=_hashes([facts.release]),
        properties=gone,
    )


def _component(part: PartFacts) -> BomComponent:
    from cyclonedx.model.component import Component, ComponentType, Pedigree

    kind, name, digest = part.component.kind, part.component.name, part.component.digest
    kinds = {"model": ComponentType.MACHINE_LEARNING_MODEL, "provider": ComponentType.MACHINE_LEARNING_MODEL}
    kinds["environment"] = ComponentType.PLATFORM
    ancestors = [_ancestor(value) for value in _ancestors(part)]
    return Component(
        name=text_at(part.record, "model") or name if kind == "provider" else name or kind,
        type=kinds.get(kind, ComponentType.DATA),
        version=text_at(part.record, "python") if kind == "environment" else digest,
        bom_ref=reference(part),
        description=f"{kind} {name}".strip(),
        hashes=_hashes([digest]),
        pedigree=Pedigree(ancestors=ancestors, notes=_pedigree(part)) if ancestors else None,
    )


def _ancestors(part: PartFacts) -> list[JsonObject]:
    """The base model and the adapters of a fine-tuned one."""
    base, adapters = part.record.get("base"), part.record.get("adapters")
    found = [base] if isinstance(base, Mapping) else []
    return found + [one for one in adapters if isinstance(one, Mapping)] if isinstance(adapters, list) else found


def _pedigree(part: PartFacts) -> str:
    roles = ["the base model"] if part.record.get("base") else []
    return " and ".join(roles + (["its adapters"] if part.record.get("adapters") else []))


def _ancestor(value: JsonObject) -> BomComponent:
    from cyclonedx.model.component import Component, ComponentType

    digest = text_at(value, "digest")
    return Component(
        name=text_at(value, "name"),
        type=ComponentType.MACHINE_LEARNING_MODEL,
        version=text_at(value, "revision") or digest,
        bom_ref=f"ancestor/{text_at(value, 'name')}@{text_at(value, 'revision') or digest}",
        hashes=_hashes([digest]),
    )


def _library(name: str, version: str, hashes: Iterable[str]) -> BomComponent:
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    return Component(
        name=name,
        type=ComponentType.LIBRARY,
        version=version,
        bom_ref=f"{name}@{version}",
        purl=PackageURL("pypi", None, name, version),
        hashes=_hashes(hashes),
    )


def _hashes(digests: Iterable[str]) -> list[HashType]:
    from cyclonedx.model import HashAlgorithm
    from cyclonedx.model import HashType as Hash

    return [Hash(alg=HashAlgorithm.SHA_256, content=d.removeprefix("sha256:")) for d in digests if is_digest(d)]


def _cards(facts: ReleaseFacts, about: Mapping[str, str]) -> dict[str, JsonObject]:
    """What is added to the library's JSON, by the component's reference."""
    cards: dict[str, JsonObject] = {}
    for part in facts.parts:
        kind, said = part.component.kind, about.get(part.component.name, "")
        if kind == "model":
            cards[reference(part)] = {"modelCard": model_card(facts, part, said)}
        elif kind == "provider":
            cards[reference(part)] = {"modelCard": provider_card(facts, part, said)}
        elif kind != "environment":
            cards[reference(part)] = {"data": component_data(part)}
    return cards


def _finished(document: dict[str, Json], cards: Mapping[str, JsonObject]) -> str:
    """With the cards, and without the time of writing: the same release gives the same bytes."""
    components = sorted(cast("list[dict[str, Json]]", document["components"]), key=lambda one: str(one["bom-ref"]))
    whole: list[Json] = [{**component, **cards.get(str(component["bom-ref"]), {})} for component in components]
    document["components"] = whole
    metadata = cast("dict[str, Json]", document["metadata"])
    metadata.pop("timestamp", None)
    dependencies = cast("list[dict[str, Json]]", document.get("dependencies", []))
    ordered: list[Json] = [*sorted(dependencies, key=lambda one: str(one["ref"]))]
    document["dependencies"] = ordered
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def bom_name(release: Digest) -> str:
    """What the file is called by itself.

    >>> bom_name(Digest("sha256:" + "a" * 64))
    'aaaaaaaaaaaa.cdx.json'
    """
    return f"{short(release)}.cdx.json"
