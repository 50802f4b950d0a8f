"""Runs a query for Athena in DuckDB, over CloudTrail's log files: `engine.py FOLDER [csv|json] < query.sql`.

sqlglot translates the query from Athena's SQL. The table is that of docs/ATHENA.md: structs and text as Athena's SerDe
gives them, and the partitions by the place of each file. The result is as Athena writes it: CSV with each value in quotes
and nothing for NULL, or the JSON lines of UNLOAD, without members that are NULL.
"""

import json
import sys
from pathlib import Path

import duckdb
import sqlglot

TEXTS = ("eventVersion eventTime eventSource eventName awsRegion sourceIPAddress userAgent errorCode errorMessage requestID eventID "
         "eventType apiVersion recipientAccountId sharedEventId vpcEndpointId").split()
OBJECTS = "requestParameters responseElements additionalEventData serviceEventDetails".split()  # text in Athena's table
ISSUER = "type principalId arn accountId userName".split()
IDENTITY = "type principalId arn accountId invokedBy accessKeyId userName".split()


def struct(names: list[str], *more: str) -> str:
    return "STRUCT(" + ", ".join([f'"{name}" VARCHAR' for name in names] + list(more)) + ")"


def lower(value: str, names: list[str], *more: str) -> str:
    return "struct_pack(" + ", ".join([f'{name.lower()} := {value}."{name}"' for name in names] + list(more)) + ")"


def table(folder: Path) -> str:
    session = f"sessionContext STRUCT(attributes {struct(['mfaAuthenticated', 'creationDate'])}, sessionIssuer {struct(ISSUER)})"
    record = struct(TEXTS, f"userIdentity {struct(IDENTITY, session)}", *(f"{name} JSON" for name in OBJECTS))
    context = "r.userIdentity.sessionContext"
    identity = lower("r.userIdentity", IDENTITY,
                     f"sessioncontext := struct_pack(attributes := {lower(f'{context}.attributes', ['mfaAuthenticated', 'creationDate'])}, "
                     f"sessionissuer := {lower(f'{context}.sessionIssuer', ISSUER)})")
    place = r"'AWSLogs/(?:o-[a-z0-9]+/)?(\d{12})/CloudTrail/([a-z0-9-]+)/(\d{4}/\d\d/\d\d)/'"
    return f"""CREATE VIEW security.cloudtrail AS SELECT
        {", ".join(f'r."{name}" AS {name.lower()}' for name in TEXTS)},
        {", ".join(f'CAST(r."{name}" AS VARCHAR) AS {name.lower()}' for name in OBJECTS)},
        {identity} AS useridentity,
        regexp_extract(filename, {place}, 1) AS account,
        regexp_extract(filename, {place}, 2) AS region,
        regexp_extract(filename, {place}, 3) AS "timestamp"
        FROM (SELECT unnest("Records") AS r, filename
              FROM read_json('{folder}/**/*.json.gz', columns = {{'Records': '{record}[]'}}, filename = true, maximum_object_size = 67108864))"""


def main(folder: Path, form: str = "csv") -> None:
    (query,) = sqlglot.transpile(sys.stdin.read(), read="athena", write="duckdb")
    engine = duckdb.connect()
    engine.execute("CREATE SCHEMA security")
    engine.execute(table(folder))
    result = engine.execute(query)
    columns = [column[0] for column in result.description]
    rows = result.fetchall()
    if form == "json":
        for row in rows:
            print(json.dumps({name: value for name, value in zip(columns, row) if value is not None}))
        return
    for row in [columns, *rows]:
        print(",".join("" if value is None else '"' + str(value).replace('"', '""') + '"' for value in row))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
