"""dashboard.yaml beside a stack: the dashboard names what that stack has."""

import json
import re

import pytest

from cloud import REGION
from stack import ROOT, create
from test_pipeline import CLOSED, WORLD, outcomes, tcp


@pytest.fixture(scope="module")
def made(enforcing):
    # ministack makes no saved queries.
    before, queries = (ROOT / "dashboard.yaml").read_text().split("  # --- Saved queries", 1)
    queries, outputs = queries.split("\nOutputs:\n")
    assert queries.count("Type: ") == queries.count("Type: AWS::Logs::QueryDefinition") == 5
    outputs = create(enforcing.cloud.client("cloudformation"), "numbers", {"StackName": enforcing.stack.name}, timeout=60,
                     TemplateBody=f"{before}Outputs:\n{outputs}")
    return outputs, enforcing.cloud.client("cloudwatch").get_dashboard(DashboardName=f"{enforcing.stack.name}-{REGION}")


def test_the_dashboard_has_the_region_in_its_name(enforcing, made):
    outputs, dashboard = made

    assert dashboard["DashboardName"] == f"{enforcing.stack.name}-{REGION}"
    assert outputs["Dashboard"].endswith(f"#dashboards/dashboard/{enforcing.stack.name}-{REGION}")


def test_it_shows_the_alarms_of_the_stack(enforcing, made):
    body = json.loads(made[1]["DashboardBody"])
    alarms = enforcing.cloud.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"{enforcing.stack.name}-")["MetricAlarms"]
    (shown,) = [widget["properties"]["alarms"] for widget in body["widgets"] if widget["type"] == "alarm"]

    assert len(alarms) == 7
    assert set(shown) == {alarm["AlarmArn"] for alarm in alarms}
    for alarm in alarms:
        name = alarm["AlarmName"].removeprefix(f"{enforcing.stack.name}-")
        assert alarm["AlarmDescription"].endswith(f" docs/RUNBOOK.md#{name.lower()}")


def test_its_searches_find_the_queues_and_the_function_of_the_stack(enforcing, made):
    """By the beginning of their names, in the tokens that CloudWatch makes of them."""
    wanted = {word for widget in json.loads(made[1]["DashboardBody"])["widgets"] if widget["type"] == "metric"
              for metric in widget["properties"]["metrics"] if isinstance(metric[0], dict)
              for word in re.findall(r"(?:QueueName|FunctionName)=([\w-]+)'", metric[0]["expression"])}
    names = [enforcing.stack.ids[each].rsplit("/", 1)[-1] for each in ("FindingsQueue", "DeadLetterQueue", "SweepFunction")]

    assert len(wanted) == 3
    for word in wanted:
        assert len([name for name in names if name.startswith(word + "-")]) == 1, (word, names)


def test_the_functions_log_their_metrics_under_the_stack_that_the_dashboard_shows(enforcing, made):
    record = enforcing.authorize_ingress(enforcing.new_group(), tcp(3306, WORLD))
    enforcing.deliver(record)
    assert outcomes(enforcing.alert_for(record)) <= CLOSED
    enforcing.drained()

    named = {(metric[1], metric[3]) for widget in json.loads(made[1]["DashboardBody"])["widgets"] if widget["type"] == "metric"
             for metric in widget["properties"]["metrics"] if len(metric) > 3}
    logged = set()
    for message in enforcing.stack.log_messages("DetectLogGroup") + enforcing.stack.log_messages("RemediateLogGroup"):
        if '"_aws"' in message:
            line = json.loads(message)
            (directive,) = line["_aws"]["CloudWatchMetrics"]
            assert (directive["Namespace"], directive["Dimensions"]) == ("sgward", [["StackName"]])
            logged |= {(metric["Name"], line["StackName"]) for metric in directive["Metrics"] if metric["Name"] in line}

    assert {name for name, _ in logged} >= {"EventAge", "Openings", "Revoked", "ExposureSeconds"}
    assert logged <= named
