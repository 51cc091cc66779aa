"""An invocation as ai_query."""

import sqlglot

from sandbox.console.sql_code import NOT_COLUMNS, sql_sample


def test_a_row_becomes_a_struct() -> None:
    body = {"dataframe_records": [{"plan": "two year's", "tenure": 3, "is_new": True, "note": None}]}
    sql = sql_sample("churn", "", body)
    assert "'plan', 'two year\\'s'" in sql
    assert "'is_new', TRUE" in sql
    parsed = sqlglot.parse_one(sql, read="databricks")
    assert parsed.find(sqlglot.exp.Select) is not None


def test_a_split_frame_is_the_same() -> None:
    split = {"dataframe_split": {"columns": ["a", "b"], "data": [[1.5, "x"], [2, "y"]]}}
    records = {"dataframe_records": [{"a": 1.5, "b": "x"}]}
    assert sql_sample("m", "", split) == sql_sample("m", "", records)


def test_a_prompt_is_text() -> None:
    chat = {"messages": [{"role": "user", "content": "Say it's late"}]}
    assert "'Say it\\'s late'" in sql_sample("chat", "llm/v1/chat", chat)
    assert "'one'" in sql_sample("bge", "llm/v1/embeddings", {"input": ["one", "two"]})


def test_a_tensor_has_no_sql() -> None:
    assert sql_sample("m", "", {"inputs": [[1.0]]}) == NOT_COLUMNS
