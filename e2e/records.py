"""CloudTrail records of EC2 calls, as EventBridge delivers them.

The emulators send no records. These are made from a call and its answer, in the shapes of ../events, which are written
from recorded ones.
"""

import json
import uuid
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cloud import ACCOUNT, REGION

EVENTS = Path(__file__).resolve().parent.parent / "events"


def from_file(name: str) -> dict:
    return json.loads((EVENTS / name).read_text())


def authorized(event_name: str, request: dict, made: list[dict]) -> dict:
    """The record of a boto3 authorize_security_group_* call that succeeded and made these rules."""
    rules = [_stored_rule(rule) for rule in made]
    return _record(
        event_name,
        {
            "groupId": request["GroupId"],
            "ipPermissions": {"items": [_typed_permission(each) for each in request["IpPermissions"]]},
        },
        {"requestId": str(uuid.uuid4()), "_return": True, "securityGroupRuleSet": {"items": rules}},
    )


def modified(request: dict) -> dict:
    """The record of a boto3 modify_security_group_rules call that succeeded: one rule is an object, several are a list."""
    rules = [
        {"SecurityGroupRuleId": each["SecurityGroupRuleId"], "tag": position, "SecurityGroupRule": each["SecurityGroupRule"]}
        for position, each in enumerate(request["SecurityGroupRules"], start=1)
    ]
    return _record(
        "ModifySecurityGroupRules",
        {
            "ModifySecurityGroupRulesRequest": {
                "GroupId": request["GroupId"],
                "SecurityGroupRule": rules[0] if len(rules) == 1 else rules,
            }
        },
        {"ModifySecurityGroupRulesResponse": {"return": True, "requestId": str(uuid.uuid4()),
                                              "xmlns": "http://ec2.amazonaws.com/doc/2016-11-15/"}},
    )


def prefix_list_modified(request: dict, before: dict) -> dict:
    """The record of a boto3 modify_managed_prefix_list call that succeeded on a list that was as described before.

    One entry is an object, several are a list; the answer shows the version that the call started from. The record is some
    seconds old, as CloudTrail's always are: sweep would otherwise wait for EC2's reads to catch up.
    """
    asked = {"PrefixListId": request["PrefixListId"], "CurrentVersion": request["CurrentVersion"]}
    for theirs, ours in (("AddEntries", "AddEntry"), ("RemoveEntries", "RemoveEntry")):
        entries = [each | {"tag": position} for position, each in enumerate(request[theirs], start=1)]
        if entries:
            asked[ours] = entries[0] if len(entries) == 1 else entries
    record = _record(
        "ModifyManagedPrefixList",
        {"ModifyManagedPrefixListRequest": asked},
        {
            "ModifyManagedPrefixListResponse": {
                "requestId": str(uuid.uuid4()),
                "xmlns": "http://ec2.amazonaws.com/doc/2016-11-15/",
                "prefixList": {
                    "prefixListId": before["PrefixListId"],
                    "addressFamily": before["AddressFamily"],
                    "state": "modify-in-progress",
                    "maxEntries": before["MaxEntries"],
                    "version": before["Version"],
                    "ownerId": ACCOUNT,
                },
            }
        },
    )
    at = datetime.now(timezone.utc) - timedelta(seconds=6)
    record["detail"]["eventTime"] = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    return record


def failed(record: dict, code: str) -> dict:
    """The same call, had it failed."""
    detail = record["detail"] | {"errorCode": code, "errorMessage": "no", "responseElements": None}
    return record | {"detail": detail}


def _record(event_name: str, request: dict, response: dict) -> dict:
    record = from_file("ingress-mysql-world.json")
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    record |= {"id": str(uuid.uuid4()), "time": now, "account": ACCOUNT, "region": REGION}
    record["detail"] |= {
        "eventID": str(uuid.uuid4()),
        "eventTime": now,
        "eventName": event_name,
        "awsRegion": REGION,
        "recipientAccountId": ACCOUNT,
        "requestParameters": request,
        "responseElements": response,
    }
    return record


def _typed_permission(permission: dict) -> dict:
    out = {"ipProtocol": permission["IpProtocol"]}
    if "FromPort" in permission:
        out |= {"fromPort": permission["FromPort"], "toPort": permission["ToPort"]}
    for key, member, ours, our_member in (
        ("UserIdGroupPairs", "GroupId", "groups", "groupId"),
        ("IpRanges", "CidrIp", "ipRanges", "cidrIp"),
        ("Ipv6Ranges", "CidrIpv6", "ipv6Ranges", "cidrIpv6"),
        ("PrefixListIds", "PrefixListId", "prefixListIds", "prefixListId"),
    ):
        peers = [
            {our_member: peer[member]} | ({"description": peer["Description"]} if "Description" in peer else {})
            for peer in permission.get(key, [])
        ]
        out[ours] = {"items": peers} if peers else {}
    return out


def _stored_rule(rule: dict) -> dict:
    out = {
        "groupOwnerId": ACCOUNT,
        "groupId": rule["GroupId"],
        "securityGroupRuleId": rule["SecurityGroupRuleId"],
        "isEgress": rule["IsEgress"],
        "ipProtocol": rule["IpProtocol"],
        "fromPort": rule.get("FromPort", -1),
        "toPort": rule.get("ToPort", -1),
    }
    for theirs, ours in (("CidrIpv4", "cidrIpv4"), ("CidrIpv6", "cidrIpv6"), ("PrefixListId", "prefixListId"),
                         ("Description", "description")):
        if rule.get(theirs):
            out[ours] = rule[theirs]
    if rule.get("ReferencedGroupInfo"):
        info = rule["ReferencedGroupInfo"]
        out["referencedGroupInfo"] = {"userId": info.get("UserId", ACCOUNT), "groupId": info["GroupId"]}
    return out
