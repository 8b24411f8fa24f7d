import json

from benchmarks.importers import BEGIN, DOCS, END, RESULT, block


def test_the_tables_are_those_of_the_benchmark() -> None:
    result = json.loads(RESULT.read_text("utf-8"))
    _, _, rest = DOCS.read_text("utf-8").partition(BEGIN)
    assert rest.partition(END)[0] == f"\n{block(result)}"


def test_the_counts_add_up() -> None:
    result = json.loads(RESULT.read_text("utf-8"))
    for counts in (result["records"], *result["kinds"].values()):
        assert counts["in"] == counts["out"] + counts["refused"]
        assert counts["out"] == counts["untouched"] + counts["repaired"]
