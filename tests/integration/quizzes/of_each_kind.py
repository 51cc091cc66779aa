"""A form with one item of each kind; what a test cares about stands in the test."""

from dataclasses import replace
from datetime import date

from quizzes.banks import add_version
from quizzes.item_specs import ItemSpec, OptionSpec, Stimulus
from quizzes.models import Exam, Form, FormItem, Item, Objective
from quizzes.variants import Computed
from tests.unit.quizzes.items import make_item, make_option

KINDS = ("single", "multiple", "ordering", "matching", "computed")
COMPUTED = [Computed({"share": share}, {"rest": 100 - share}) for share in (90, 80, 70)]


def arranged(text: str, prompt: str = "") -> OptionSpec:
    """A step, or a pair when it has a prompt."""
    return make_option(text, is_key=True, prompt=prompt)


def spec_of(kind: str, key: str = "") -> ItemSpec:
    """A lint-clean item of this kind; its rationales begin with "Because of"."""
    item = make_item(
        key=key or f"{kind}-item", kind=kind, stem=f"A shop asks about {kind}. Which one fits?", expires_on=date(2099, 1, 1)
    )
    if kind == "multiple":
        texts = ("first", "second", "third", "fourth", "fifth")
        options = tuple(make_option(f"The {text} route", is_key=text in {"second", "fourth"}) for text in texts)
        return replace(item, stem="A shop has five routes. Which ones fit? Select two.", options=options)
    if kind == "ordering":
        steps = ("Train it", "Register it", "Deploy it", "Query it")
        shown = Stimulus("python", "The client", "w = WorkspaceClient()")
        return replace(item, stem="Put the steps in order.", stimulus=shown, options=tuple(arranged(step) for step in steps))
    if kind == "matching":
        pairs = (arranged("Custom", "An own pickle"), arranged("External", "A provider's model"), arranged("Custom", "A pyfunc"))
        extra = OptionSpec("Feature serving", "", "", is_key=False, proof=None)
        return replace(item, stem="Match each model with its endpoint.", options=(*pairs, extra))
    if kind == "computed":
        key_option = make_option("{{fact.rest}} percent", is_key=True)
        wrong = [make_option(text) for text in ("{{share}} percent", "1 percent", "200 percent")]
        compute = {"program": "share_out", "arguments": {"first": "{{share}}", "calls": 10}, "claims": {}, "observed": {}}
        parameters = {"share": tuple(one.parameters["share"] for one in COMPUTED)}
        stem = "Version 1 gets {{share}} percent. What is left?"
        options = (key_option, *wrong)
        return replace(item, stem=stem, options=options, proof=compute, parameters=parameters, no_proof="")
    return item


def make_item_of(kind: str, key: str = "", computed: list[Computed] | None = None) -> Item:
    """The item in the database; a computed one with three variants unless told otherwise."""
    objective, _ = Objective.objects.get_or_create(
        slug="split-traffic", defaults={"name": "Split traffic", "text": "To be done."}
    )
    exam, _ = Exam.objects.get_or_create(slug="ml-associate", defaults={"name": "Associate"})
    spec = spec_of(kind, key)
    item = Item.objects.create(key=spec.key, bank="kinds", objective=objective, exam=exam)
    item.current = add_version(item, spec, (COMPUTED if computed is None else computed) if kind == "computed" else ())
    item.save()
    return item


def make_form_of(*kinds: str) -> Form:
    """A form with an item of each of these kinds, in this order."""
    form = Form.objects.create(slug="kinds", title="Kinds")
    for position, kind in enumerate(kinds, 1):
        FormItem.objects.create(form=form, item=make_item_of(kind), position=position)
    return form
