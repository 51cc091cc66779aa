"""The generated tables: always the same bytes, sound values, and a signal that models can learn."""

import csv
import io
from collections import Counter
from pathlib import Path

import pytest
from django.conf import settings

from sandbox.registry.datasets import TABLES, Table, churn, fraud

CHURN_COLUMNS = [
    "customerID",
    "gender",
    "SeniorCitizen",
    "Partner",
    "Dependents",
    "tenure",
    "PhoneService",
    "InternetService",
    "Contract",
    "PaperlessBilling",
    "PaymentMethod",
    "MonthlyCharges",
    "TotalCharges",
    "Churn",
]


@pytest.mark.parametrize("name", TABLES)
def test_the_committed_table_is_what_the_generator_makes(name: str) -> None:
    assert (Path(settings.FIXTURES_DIR) / "tables" / f"{name}.csv").read_text() == TABLES[name]().to_csv()


@pytest.mark.parametrize("table", [churn(), fraud()], ids=lambda t: t.name)
def test_no_value_is_missing_and_keys_are_unique(table: Table) -> None:
    read = list(csv.DictReader(io.StringIO(table.to_csv())))
    assert all(value != "" for row in read for value in row.values())
    assert len({row[table.key] for row in read}) == len(read) == len(table.rows)


def test_churn_has_the_columns_of_the_exercise() -> None:
    table = churn()
    assert list(table.rows[0]) == CHURN_COLUMNS
    assert len(table.rows) == 7_000
    assert min(row["tenure"] for row in table.rows) == 1
    assert max(row["tenure"] for row in table.rows) == 72
    assert 0.2 < sum(row["Churn"] == "Yes" for row in table.rows) / 7_000 < 0.35
    for row in table.rows:
        assert row["TotalCharges"] == pytest.approx(row["MonthlyCharges"] * row["tenure"], rel=0.06)


def test_those_without_a_contract_leave_more_often() -> None:
    left = Counter(row["Contract"] for row in churn().rows if row["Churn"] == "Yes")
    all_of_them = Counter(row["Contract"] for row in churn().rows)
    rates = {contract: left[contract] / all_of_them[contract] for contract in all_of_them}
    assert rates["Month-to-month"] > 0.4 > 0.1 > rates["Two year"]


def test_fraud_is_rare() -> None:
    share = sum(row["is_fraud"] for row in fraud().rows) / len(fraud().rows)
    assert 0.04 < share < 0.06
