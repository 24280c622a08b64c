"""The command that does by hand what the watcher would do, so that nobody has to work it out at 03:00.

AWS CLI Command Reference: dynamodb update-table, application-autoscaling register-scalable-target. UpdateTable wants
both kinds of a table or index; names of tables and indexes have no character that a shell reads.
"""

from __future__ import annotations

from collections.abc import Mapping

from watcher.core.model import Dimension, Kind, TableDescription

UNITS = {Kind.READ: "ReadCapacityUnits", Kind.WRITE: "WriteCapacityUnits"}


def update_table(description: TableDescription, wanted: Mapping[Dimension, int]) -> str:
    """One UpdateTable with the wanted values, and the present ones beside them."""
    key = description.key
    parts = [f"aws dynamodb update-table --region {key.region} --table-name {key.name}"]
    indexes = sorted({dimension.index for dimension in wanted})
    if "" in indexes:
        table = ",".join(f"{UNITS[kind]}={units}" for kind, units in _both(description, "", wanted).items())
        parts.append(f"--provisioned-throughput {table}")
    updates = ",".join(_update(index, _both(description, index, wanted)) for index in indexes if index)
    if updates:
        parts.append(f"--global-secondary-index-updates '[{updates}]'")
    return " ".join(parts)


def set_minimum(description: TableDescription, dimension: Dimension, units: int) -> str:
    """One RegisterScalableTarget that moves nothing but the minimum."""
    key = description.key
    index = f"/index/{dimension.index}" if dimension.index else ""
    what = "index" if dimension.index else "table"
    return (
        f"aws application-autoscaling register-scalable-target --region {key.region} --service-namespace dynamodb "
        f"--resource-id table/{key.name}{index} --scalable-dimension dynamodb:{what}:{UNITS[dimension.kind]} "
        f"--min-capacity {units}"
    )


def _both(description: TableDescription, index: str, wanted: Mapping[Dimension, int]) -> dict[Kind, int]:
    now = description.throughputs[index].units
    return {kind: wanted.get(Dimension(index, kind), now.get(kind, 0)) for kind in Kind}


def _update(index: str, units: Mapping[Kind, int]) -> str:
    """As JSON."""
    throughput = ",".join(f'"{UNITS[kind]}":{number}' for kind, number in units.items())
    return f'{{"Update":{{"IndexName":"{index}","ProvisionedThroughput":{{{throughput}}}}}}}'
