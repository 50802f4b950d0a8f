"""The template's parameters, on a stack that uses all of them but Amazon Q Developer's."""

import pytest


@pytest.fixture(scope="module")
def key_arn(cloud):
    return cloud.client("kms").create_key(Description="e2e")["KeyMetadata"]["Arn"]


@pytest.fixture(scope="module")
def topic_arn(cloud):
    return cloud.client("sns").create_topic(Name="security-alerts")["TopicArn"]


@pytest.fixture(scope="module")
def secret_arn(cloud):
    return cloud.client("secretsmanager").create_secret(Name="sgward/slack", SecretString="https://hooks.slack.com/services/T/B/x")["ARN"]


@pytest.fixture(scope="module")
def stack(build, key_arn, topic_arn, secret_arn):
    return build.deploy("parameters", AlertTopicArn=topic_arn, AlertEmail="security@example.com", KmsKeyArn=key_arn,
                        LogRetentionDays="14", MaxRevokes="5", SweepSchedule="rate(12 hours)", AccountName="production",
                        Metrics="essential", RunbookUrl="https://wiki.example.com/sgward",
                        SlackWebhookSecretArn=secret_arn)


def test_an_existing_topic_takes_alerts_and_alarms_and_none_is_made(stack, cloud, topic_arn):
    alarms = cloud.client("cloudwatch").describe_alarms(AlarmNamePrefix="parameters-")["MetricAlarms"]

    assert "AlertTopic" not in stack.ids
    assert variables_of(stack, "RemediateFunction") == {"MODE": "observe", "ALERT_TOPIC_ARN": topic_arn, "MAX_REVOKES": "5",
                                                        "ACCOUNT_NAME": "production", "MEMORY_TABLE": stack.ids["MemoryTable"],
                                                        "FINDINGS_QUEUE_URL": stack.ids["FindingsQueue"],
                                                        "DEAD_LETTER_QUEUE_URL": stack.ids["DeadLetterQueue"]}
    assert variables_of(stack, "SweepFunction") == {"MODE": "observe", "ALERT_TOPIC_ARN": topic_arn, "MAX_REVOKES": "5",
                                                    "ACCOUNT_NAME": "production", "MEMORY_TABLE": stack.ids["MemoryTable"],
                                                    "DETECT_LOG_GROUP": stack.ids["DetectLogGroup"], "LOG_RETENTION_DAYS": "14"}
    assert len(alarms) == 7
    for alarm in alarms:
        section = alarm["AlarmName"].removeprefix("parameters-").lower()
        assert alarm["AlarmDescription"].endswith(f" https://wiki.example.com/sgward#{section}")
    assert {tuple(alarm["AlarmActions"]) for alarm in alarms} == {(topic_arn,)}
    (silence,) = [alarm for alarm in alarms if alarm["TreatMissingData"] != "notBreaching"]
    assert (silence["MetricName"], silence["TreatMissingData"]) == ("SweepsCompleted", "missing")
    assert silence["InsufficientDataActions"] == [topic_arn], "no data is the signal"
    assert silence["Period"] * silence["EvaluationPeriods"] == 2 * 24 * 3600


def test_the_address_is_subscribed_to_the_topic(stack, cloud, topic_arn):
    subscriptions = cloud.client("sns").list_subscriptions_by_topic(TopicArn=topic_arn)["Subscriptions"]

    assert ("email", "security@example.com") in {(each["Protocol"], each["Endpoint"]) for each in subscriptions}


def test_alerts_go_to_slack_and_what_fails_is_kept(stack, cloud, topic_arn, secret_arn):
    client, name = cloud.client("lambda"), stack.ids["SlackFunction"]
    function = client.get_function(FunctionName=name)
    subscriptions = cloud.client("sns").list_subscriptions_by_topic(TopicArn=topic_arn)["Subscriptions"]
    invoke = client.get_function_event_invoke_config(FunctionName=name, Qualifier="$LATEST")

    assert ("lambda", function["Configuration"]["FunctionArn"]) in {(each["Protocol"], each["Endpoint"]) for each in subscriptions}
    assert variables_of(stack, "SlackFunction") == {"WEBHOOK_SECRET_ARN": secret_arn}, "the URL is in no variable"
    assert invoke["DestinationConfig"]["OnFailure"]["Destination"] == stack.queue_arn("DeadLetterQueue")


@pytest.mark.parametrize(("action", "allowed"), [
    ("secretsmanager:GetSecretValue", True), ("secretsmanager:PutSecretValue", False), ("sns:Publish", False),
    ("ec2:RevokeSecurityGroupIngress", False), ("ec2:DescribeSecurityGroups", False)])
def test_the_slack_function_reads_its_secret_and_nothing_else(stack, cloud, action, allowed, secret_arn):
    (result,) = cloud.client("iam").simulate_principal_policy(
        PolicySourceArn=stack.role_arn("SlackFunctionRole"), ActionNames=[action], ResourceArns=[secret_arn])["EvaluationResults"]

    assert (result["EvalDecision"] == "allowed") == allowed


@pytest.mark.parametrize(
    "queue", ["FindingsQueue", "DeadLetterQueue"])
def test_the_key_encrypts_every_queue(stack, queue, key_arn):
    assert stack.queue_attribute(queue, "KmsMasterKeyId") == key_arn


@pytest.mark.parametrize(
    ("role", "services"), [("DetectRole", ["sqs"]), ("RemediateRole", ["sqs", "sns"]), ("SweepRole", ["sqs", "sns", "dynamodb"])])
def test_the_roles_may_use_the_key_through_queues_topic_and_table_only(stack, cloud, role, services, key_arn, topic_arn):
    iam, name = cloud.client("iam"), stack.ids[role]
    policies = [iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
                for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]]

    grants = [each for policy in policies for each in policy["Statement"] if "kms:Decrypt" in each["Action"]]

    # A topic that the stack has not made may have any key, which serves for this topic alone.
    if role != "DetectRole":
        (of_topic,) = [grant for grant in grants if grant["Resource"] == "arn:aws:kms:us-east-1:*:key/*"]
        assert of_topic["Condition"] == {"StringEquals": {
            "kms:ViaService": "sns.us-east-1.amazonaws.com", "kms:EncryptionContext:aws:sns:topicArn": topic_arn}}
        grants.remove(of_topic)
    assert {grant["Resource"] for grant in grants} == {key_arn}
    conditions = [grant["Condition"]["StringEquals"]["kms:ViaService"] for grant in grants]
    via = [service for condition in conditions for service in (condition if isinstance(condition, list) else [condition])]
    assert via == [f"{service}.us-east-1.amazonaws.com" for service in services]
    direct = iam.simulate_principal_policy(
        PolicySourceArn=stack.role_arn(role), ActionNames=["kms:Decrypt"], ResourceArns=[key_arn])
    assert direct["EvaluationResults"][0]["EvalDecision"] == "implicitDeny"


@pytest.mark.parametrize("group", ["DetectLogGroup", "RemediateLogGroup", "SweepLogGroup", "SlackLogGroup"])
def test_logs_are_kept_as_long_as_asked(stack, cloud, group):
    (found,) = cloud.client("logs").describe_log_groups(logGroupNamePrefix=stack.ids[group])["logGroups"]

    assert found["retentionInDays"] == 14


@pytest.mark.parametrize("function", ["DetectFunction", "RemediateFunction", "SweepFunction", "SlackFunction"])
def test_the_functions_log_json_into_their_own_group(stack, cloud, function):
    logging = cloud.client("lambda").get_function_configuration(FunctionName=stack.ids[function])["LoggingConfig"]

    assert (logging["LogFormat"], logging["LogGroup"]) == ("JSON", stack.ids[function.replace("Function", "LogGroup")])


def test_the_schedule_is_as_asked(stack, cloud):
    assert cloud.client("events").describe_rule(Name=stack.ids["ScheduleRule"])["ScheduleExpression"] == "rate(12 hours)"


def test_the_table_is_on_demand(stack, cloud):
    table = cloud.client("dynamodb").describe_table(TableName=stack.ids["MemoryTable"])["Table"]

    assert table["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}]
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"


def test_without_a_key_sqs_encrypts_with_its_own(observing):
    assert observing.stack.queue_attribute("FindingsQueue", "SqsManagedSseEnabled") == "true"


def test_a_message_in_hand_is_not_handed_out_again_while_its_function_runs(stack, cloud):
    """Lambda asks for six times the function's timeout."""
    timeout = cloud.client("lambda").get_function_configuration(FunctionName=stack.ids["RemediateFunction"])["Timeout"]
    mapping = stack.mapping("RemediateFunction")

    assert mapping["EventSourceArn"] == stack.queue_arn("FindingsQueue")
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert not mapping.get("MaximumBatchingWindowInSeconds"), "a lone message would wait, up to 20 s"
    assert mapping["BatchSize"] <= 10, "Lambda refuses more without a window"
    assert int(stack.queue_attribute("FindingsQueue", "VisibilityTimeout")) >= 6 * timeout


def variables_of(stack, function: str) -> dict[str, str]:
    client = stack.cloud.client("lambda")
    return client.get_function_configuration(FunctionName=stack.ids[function])["Environment"]["Variables"]
