"""The usual way to close a world-open database port: a small Lambda function with boto3.

EventBridge invokes it with the CloudTrail record. It revokes what is open to the world and tells a topic. It does less
than sgward (one port list, exact 0.0.0.0/0 and ::/0, no policy, no second look); it is here to compare times with.
"""

import json
import os

import boto3

DATABASE_PORTS = (1433, 1521, 3306, 5432, 6379, 9200, 11211, 27017)

ec2 = boto3.client("ec2")
sns = boto3.client("sns")


def lambda_handler(event, context):
    detail = event["detail"]
    request = detail["requestParameters"]
    for permission in request["ipPermissions"]["items"]:
        for bad in world_open(permission):
            ec2.revoke_security_group_ingress(GroupId=request["groupId"], IpPermissions=[bad])
            sns.publish(
                TopicArn=os.environ["ALERT_TOPIC_ARN"],
                Subject="Security group opening closed",
                Message=json.dumps({"group": request["groupId"], "revoked": bad, "by": detail["userIdentity"].get("arn")}),
            )


def world_open(permission):
    """Yields the parts of a permission that open a database port to the world, one peer in each."""
    ports = permission.get("fromPort", 0), permission.get("toPort", 65535)
    if not any(ports[0] <= port <= ports[1] for port in DATABASE_PORTS):
        return
    part = {"IpProtocol": permission["ipProtocol"], "FromPort": ports[0], "ToPort": ports[1]}
    for item in permission.get("ipRanges", {}).get("items", []):
        if item["cidrIp"] == "0.0.0.0/0":
            yield {**part, "IpRanges": [{"CidrIp": item["cidrIp"]}]}
    for item in permission.get("ipv6Ranges", {}).get("items", []):
        if item["cidrIpv6"] == "::/0":
            yield {**part, "Ipv6Ranges": [{"CidrIpv6": item["cidrIpv6"]}]}
