"""The sandbox's own tables: telecom churn and payment fraud, drawn from fixed seeds."""

import csv
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

CHURN_ROWS = 7_000
FRAUD_ROWS = 6_000
_SEED = 20_240_601

PAYMENT_METHODS = {
    "Electronic check": 0.34,
    "Mailed check": 0.22,
    "Bank transfer (automatic)": 0.22,
    "Credit card (automatic)": 0.22,
}

Row = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """A generated table: `key` identifies a row, `label` is what models learn."""

    name: str
    key: str
    label: str
    rows: list[Row]

    @property
    def features(self) -> list[str]:
        return [column for column in self.rows[0] if column not in {self.key, self.label}]

    def to_csv(self) -> str:
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(self.rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return text.getvalue()


def churn(rows: int = CHURN_ROWS) -> Table:
    """Telecom customers and whether they left.

    Columns: customerID; gender; SeniorCitizen 0/1; Partner, Dependents Yes/No; tenure in months, 1 to 72; PhoneService
    Yes/No; InternetService; Contract; PaperlessBilling Yes/No; PaymentMethod; MonthlyCharges and TotalCharges in dollars;
    Churn Yes/No. No value is missing.
    """
    return Table("churn", "customerID", "Churn", list(_churn_rows(Random(_SEED), rows)))  # noqa: S311 - data, not secrets


def fraud(rows: int = FRAUD_ROWS) -> Table:
    """Card users, what they did in the last weeks, and whether it turned out to be fraud (0/1, about 5 %)."""
    return Table("fraud", "user_id", "is_fraud", list(_fraud_rows(Random(_SEED + 1), rows)))  # noqa: S311 - as above


TABLES = {"churn": churn, "fraud": fraud}


def write_tables(directory: Path) -> list[Path]:
    """Write every table as CSV; the same bytes each time."""
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for name, make in TABLES.items():
        path = directory / f"{name}.csv"
        path.write_text(make().to_csv())
        written.append(path)
    return written


def _churn_rows(random: Random, rows: int) -> Iterator[Row]:
    for number in range(rows):
        senior = int(random.random() < 0.16)
        partner = random.random() < 0.48
        dependents = random.random() < (0.5 if partner else 0.1)
        contract = _pick(random, {"Month-to-month": 0.55, "One year": 0.21, "Two year": 0.24})
        internet = _pick(random, {"DSL": 0.34, "Fiber optic": 0.44, "No": 0.22})
        phone = internet == "No" or random.random() < 0.88
        tenure = _tenure(random, contract)
        monthly = _monthly_charges(random, phone, internet)
        row: Row = {
            "customerID": _customer_id(random, number),
            "gender": "Female" if random.random() < 0.5 else "Male",
            "SeniorCitizen": senior,
            "Partner": _yes(partner),
            "Dependents": _yes(dependents),
            "tenure": tenure,
            "PhoneService": _yes(phone),
            "InternetService": internet,
            "Contract": contract,
            "PaperlessBilling": _yes(random.random() < (0.7 if internet != "No" else 0.3)),
            "PaymentMethod": _pick(
                random,
                {
                    "Electronic check": 0.34,
                    "Mailed check": 0.22,
                    "Bank transfer (automatic)": 0.22,
                    "Credit card (automatic)": 0.22,
                },
            ),
            "MonthlyCharges": monthly,
            "TotalCharges": round(monthly * tenure * (0.95 + 0.1 * random.random()), 2),
        }
        yield row | {"Churn": _yes(random.random() < _sigmoid(_churn_score(row)))}


def _churn_score(row: Row) -> float:
    """Log-odds of leaving. Fibre customers pay attention to the price only in their first two years: a rule that
    a model sees only when it looks at pairs of columns."""
    score: float = -1.8
    score += {"Month-to-month": 1.35, "One year": -0.6, "Two year": -1.7}[row["Contract"]]
    score += {"DSL": 0.0, "Fiber optic": 0.7, "No": -0.7}[row["InternetService"]]
    score -= 0.035 * row["tenure"]
    score += 0.65 if row["PaymentMethod"] == "Electronic check" else 0.0
    score += 0.35 if row["PaperlessBilling"] == "Yes" else 0.0
    score += 0.3 * row["SeniorCitizen"]
    score -= 0.3 if row["Dependents"] == "Yes" else 0.0
    if row["InternetService"] == "Fiber optic" and row["tenure"] <= 24:
        score += 0.17 * (row["MonthlyCharges"] - 88.0)
    return score


def _tenure(random: Random, contract: str) -> int:
    """Months with the company, at least 1; long contracts go with long tenures."""
    typical = {"Month-to-month": 16.0, "One year": 36.0, "Two year": 52.0}[contract]
    return max(1, min(72, round(typical * (0.02 + 1.9 * random.random()))))


def _monthly_charges(random: Random, phone: bool, internet: str) -> float:
    base = {"DSL": 42.0, "Fiber optic": 72.0, "No": 0.0}[internet] + (19.0 if phone else 0.0)
    return round(base + (25.0 * random.random() if internet != "No" else 3.0 * random.random()), 2)


def _customer_id(random: Random, number: int) -> str:
    """Unique by its number, which is scrambled so that ids do not tell the order."""
    scrambled = (number * 6_007 + 1_871) % 10_000
    return f"{scrambled:04d}-{''.join(random.choice('ABCDEFGHIJKLMNOPQRSTUVWXYZ') for _ in range(5))}"


def _fraud_rows(random: Random, rows: int) -> Iterator[Row]:
    for number in range(rows):
        is_fraud = random.random() < 0.05
        row: Row = {
            "user_id": 100_000 + number,
            "account_age_days": round(_lognormal(random, 4.9 if is_fraud else 6.0, 1.1)) + 1,
            "transactions_24h": round(_lognormal(random, 1.7 if is_fraud else 1.0, 0.7)),
            "average_amount": round(_lognormal(random, 4.1 if is_fraud else 3.6, 0.8), 2),
            "night_share": round(min(1.0, random.random() ** (1.3 if is_fraud else 2.2)), 3),
            "devices_7d": 1 + round(_lognormal(random, 0.1 if is_fraud else -0.6, 0.7)),
            "failed_logins_24h": round(_lognormal(random, -0.3 if is_fraud else -1.2, 0.9)),
            "countries_30d": 1 + round(_lognormal(random, -0.6 if is_fraud else -1.4, 0.8)),
        }
        yield row | {"is_fraud": int(is_fraud)}


def _lognormal(random: Random, mean: float, deviation: float) -> float:
    return math.exp(random.gauss(mean, deviation))


def _pick(random: Random, shares: dict[str, float]) -> str:
    return random.choices(list(shares), weights=list(shares.values()))[0]


def _sigmoid(score: float) -> float:
    return 1.0 / (1.0 + math.exp(-score))


def _yes(statement: bool) -> str:
    return "Yes" if statement else "No"
