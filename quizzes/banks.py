"""Load bank files into the database: idempotent; changed content becomes a new version of its item."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import Max

from quizzes.bank_files import read_banks, read_catalogue
from quizzes.item_specs import BankSpec, Catalogue, ItemSpec
from quizzes.models import Blueprint, BlueprintLine, Exam, Form, FormItem, Item, ItemVersion, Objective, Option
from quizzes.variant_files import read_variants, recorded_for
from quizzes.variants import Computed, Wording, add_variants


@dataclass(frozen=True)
class Loaded:
    """What a load changed."""

    items: int
    new_items: int
    new_versions: int
    retired: int


def load_banks(folder: Path, chosen: Sequence[BankSpec] | None = None, *, retire: bool = True) -> Loaded:
    """Bring the database to the state of the folder, in one transaction.

    `chosen`: only these banks of it. `retire`: items that none of them holds are not asked any more.
    """
    catalogue, recorded = read_catalogue(folder), read_variants(folder)
    banks = read_banks(folder) if chosen is None else chosen
    with transaction.atomic():
        _load_catalogue(catalogue)
        counts = [_load_bank(bank, recorded) for bank in banks]
        retired = _retire_missing(banks) if retire else 0
    return Loaded(sum(c[0] for c in counts), sum(c[1] for c in counts), sum(c[2] for c in counts), retired)


def _load_catalogue(catalogue: Catalogue) -> None:
    for position, raw in enumerate(catalogue.objectives):
        fields = {name: raw[name] for name in ("name", "text", "endpoint_type")}
        Objective.objects.update_or_create(slug=raw["slug"], defaults={**fields, "position": position})
    for position, raw in enumerate(catalogue.exams):
        fields = {"name": raw["name"], "description": raw.get("description", ""), "position": position}
        exam, _ = Exam.objects.update_or_create(slug=raw["slug"], defaults=fields)
        for blueprint in raw["blueprints"]:
            _load_blueprint(exam, blueprint)


def _load_blueprint(exam: Exam, raw: dict[str, Any]) -> None:
    fields = {name: raw[name] for name in ("source", "note", "question_count", "minutes")}
    blueprint, _ = Blueprint.objects.update_or_create(exam=exam, dated=raw["dated"], defaults=fields)
    kept = [
        BlueprintLine.objects.update_or_create(
            blueprint=blueprint,
            objective=Objective.objects.get(slug=line["objective"]),
            defaults={"domain": line["domain"], "domain_percentage": line["domain_percentage"]},
        )[0].pk
        for line in raw["lines"]
    ]
    blueprint.lines.exclude(pk__in=kept).delete()


def _load_bank(bank: BankSpec, recorded: Mapping[str, Any]) -> tuple[int, int, int]:
    """(items, new items, new versions) of one bank, whose form holds its items in file order."""
    loaded = [load_item(bank.slug, spec, recorded_for(spec, recorded)) for spec in bank.items]
    form, _ = Form.objects.update_or_create(
        slug=bank.slug.replace("_", "-"), defaults={"title": bank.title, "description": bank.description}
    )
    wanted = [item for item, _, _ in loaded]
    if list(form.form_items.values_list("item_id", flat=True)) != [item.pk for item in wanted]:
        form.form_items.all().delete()
        FormItem.objects.bulk_create(FormItem(form=form, item=item, position=number) for number, item in enumerate(wanted, 1))
    return len(loaded), sum(is_new for _, is_new, _ in loaded), sum(is_changed for _, _, is_changed in loaded)


def load_item(bank: str, spec: ItemSpec, computed: Sequence[Computed] = ()) -> tuple[Item, bool, bool]:
    """(item, whether it is new, whether it got a version). `computed`: what the sandbox reported for its parameters."""
    objective, exam = Objective.objects.get(slug=spec.objective), Exam.objects.filter(slug=spec.exam).first()
    item, is_new = Item.objects.select_related("current").get_or_create(
        key=spec.key, defaults={"bank": bank, "objective": objective}
    )
    digest = content_digest(spec, computed)
    is_changed = item.current is None or item.current.content_sha256 != digest
    if is_changed:
        item.current = add_version(item, spec, computed)
    item.bank, item.objective, item.exam, item.difficulty, item.retired = bank, objective, exam, spec.difficulty, False
    item.save()
    return item, is_new, is_changed


def add_to_form(bank: str, item: Item) -> None:
    """Put an item at the end of its bank's question set, if there is one."""
    form = Form.objects.filter(slug=bank.replace("_", "-")).first()
    if form is not None:
        last = form.form_items.aggregate(last=Max("position"))["last"] or 0
        FormItem.objects.create(form=form, item=item, position=last + 1)


def content_digest(spec: ItemSpec, computed: Sequence[Computed]) -> str:
    """Of the wording and, for a computed item, of what the sandbox reported: another key is another version."""
    parts = [spec.content_sha256, *(one.digest for one in computed)]
    return hashlib.sha256("".join(parts).encode()).hexdigest() if computed else spec.content_sha256


def add_version(item: Item, spec: ItemSpec, computed: Sequence[Computed] = ()) -> ItemVersion:
    """Write the item's next version with its options; attempts keep the versions that they were given."""
    version: ItemVersion = ItemVersion.objects.create(
        item=item,
        number=(item.current.number if item.current else 0) + 1,
        content_sha256=content_digest(spec, computed),
        kind=spec.kind,
        stem=spec.stem,
        stimulus=asdict(spec.stimulus) if spec.stimulus else {},
        bloom=spec.bloom,
        exam_wording=spec.exam_wording,
        current_name=spec.current_name,
        source_url=spec.source.url,
        source_dated=spec.source.dated,
        product_version=spec.source.product_version,
        checked_on=spec.checked_on,
        expires_on=spec.expires_on,
        language=spec.language,
        evidence=[{**asdict(entry), "dated": entry.dated.isoformat()} for entry in spec.evidence],
        no_proof=spec.no_proof,
        proof=spec.proof or {},
        parameters={name: list(values) for name, values in spec.parameters.items()},
        constraints=list(spec.constraints),
    )
    Option.objects.bulk_create(
        Option(
            version=version,
            position=position,
            prompt=option.prompt,
            text=option.text,
            is_key=option.is_key,
            rationale=option.rationale,
            misconception=option.misconception,
            proof=option.proof or {},
        )
        for position, option in enumerate(spec.options, 1)
    )
    if computed:
        add_variants(version, Wording.of_spec(spec), computed)
    return version


def _retire_missing(banks: Sequence[BankSpec]) -> int:
    """Items that no file holds any more are not asked again; their answers stay."""
    keys = [item.key for bank in banks for item in bank.items]
    return Item.objects.filter(retired=False).exclude(key__in=keys).update(retired=True)
