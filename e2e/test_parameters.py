"""The template's parameters, on a stack that uses all of them but Slack's."""

import pytest


@pytest.fixture(scope="module")
def key_arn(cloud):
    return cloud.client("kms").create_key(Description="e2e")["KeyMetadata"]["Arn"]


@pytest.fixture(scope="module")
def topic_arn(cloud):
    return cloud.client("sns").create_topic(Name="security-alerts")["TopicArn"]


@pytest.fixture(scope="module")
def stack(build, key_arn, topic_arn):
    return build.deploy("parameters", AlertTopicArn=topic_arn, AlertEmail="security@example.com", KmsKeyArn=key_arn,
                        LogRetentionDays="14")


def test_an_existing_topic_takes_alerts_and_alarms_and_none_is_made(stack, cloud, topic_arn):
    function = cloud.client("lambda").get_function_configuration(FunctionName=stack.ids["RemediateFunction"])
    alarms = cloud.client("cloudwatch").describe_alarms(AlarmNamePrefix="parameters-")["MetricAlarms"]

    assert "AlertTopic" not in stack.ids
    assert function["Environment"]["Variables"] == {"MODE": "observe", "ALERT_TOPIC_ARN": topic_arn}
    assert len(alarms) == 10
    assert {tuple(alarm["AlarmActions"]) for alarm in alarms} == {(topic_arn,)}
    assert {alarm["TreatMissingData"] for alarm in alarms} == {"notBreaching"}


def test_the_address_is_subscribed_to_the_topic(stack, cloud, topic_arn):
    (subscription,) = cloud.client("sns").list_subscriptions_by_topic(TopicArn=topic_arn)["Subscriptions"]

    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "security@example.com")


@pytest.mark.parametrize(
    "queue", ["FindingsQueue", "FindingsDeadLetterQueue", "DetectDeadLetterQueue", "EventDeadLetterQueue"])
def test_the_key_encrypts_every_queue(stack, queue, key_arn):
    assert stack.queue_attribute(queue, "KmsMasterKeyId") == key_arn


@pytest.mark.parametrize(
    ("role", "services"), [("DetectRole", ["sqs"]), ("RemediateRole", ["sqs", "sns"])])
def test_the_roles_may_use_the_key_through_queues_and_topic_only(stack, cloud, role, services, key_arn):
    iam, name = cloud.client("iam"), stack.ids[role]
    policies = [iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
                for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]]

    (grant,) = [each for policy in policies for each in policy["Statement"] if "kms:Decrypt" in each["Action"]]

    assert grant["Resource"] == key_arn
    via = grant["Condition"]["StringEquals"]["kms:ViaService"]
    assert (via if isinstance(via, list) else [via]) == [f"{service}.us-east-1.amazonaws.com" for service in services]
    direct = iam.simulate_principal_policy(
        PolicySourceArn=stack.role_arn(role), ActionNames=["kms:Decrypt"], ResourceArns=[key_arn])
    assert direct["EvaluationResults"][0]["EvalDecision"] == "implicitDeny"


@pytest.mark.parametrize("group", ["DetectLogGroup", "RemediateLogGroup"])
def test_logs_are_kept_as_long_as_asked(stack, cloud, group):
    (found,) = cloud.client("logs").describe_log_groups(logGroupNamePrefix=stack.ids[group])["logGroups"]

    assert found["retentionInDays"] == 14


@pytest.mark.parametrize("function", ["DetectFunction", "RemediateFunction"])
def test_the_functions_log_json_into_their_own_group(stack, cloud, function):
    logging = cloud.client("lambda").get_function_configuration(FunctionName=stack.ids[function])["LoggingConfig"]

    assert (logging["LogFormat"], logging["LogGroup"]) == ("JSON", stack.ids[function.replace("Function", "LogGroup")])


def test_without_a_key_sqs_encrypts_with_its_own(observing):
    assert observing.stack.queue_attribute("FindingsQueue", "SqsManagedSseEnabled") == "true"
