"""A bucket at a port of this machine, on a server that checks every signature and policy.

Takes the policy of those who publish, and the same for hosts, as JSON on its command line. Says its port and
the keys of both in one line of JSON, and serves until its stdin is at its end, where `stop` and `serve` make it
go away and come back. Each request is a line of stderr.
"""

import json
import os
import sys
import threading

# The first requests are to make users, whom nobody could sign for yet.
os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "1000000"

import boto3
import flask
import requests
from moto.core.authorization import ActionAuthenticatorMixin
from moto.moto_server.werkzeug_app import DomainDispatcherApplication
from moto.server import ThreadedMotoServer

check = ActionAuthenticatorMixin._authenticate_and_authorize_action


def check_what_was_signed(self, *arguments):
    """moto decodes the query before it looks at its signature, which refuses boto3's questions, too."""
    query = flask.request.query_string.decode()
    self.uri = self.uri.split("?")[0] + (query and f"?{query}")
    check(self, *arguments)


ActionAuthenticatorMixin._authenticate_and_authorize_action = check_what_was_signed

answer, one_at_a_time = DomainDispatcherApplication.__call__, threading.Lock()


def answer_alone(self, environ, start_response):
    """moto closes an object that is replaced while another thread reads it, and answers 500."""

    def say(status, *rest):
        request = environ["REQUEST_METHOD"], environ["PATH_INFO"], status.split()[0]
        print("asked:", *request, file=sys.stderr, flush=True)
        return start_response(status, *rest)

    with one_at_a_time:
        return answer(self, environ, say)


DomainDispatcherApplication.__call__ = answer_alone

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
_, port = server.get_host_and_port()
endpoint = f"http://127.0.0.1:{port}"


def client(name):
    return boto3.client(
        name,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
    )


iam, s3, sts = client("iam"), client("s3"), client("sts")
s3.create_bucket(Bucket="bundles")
keys = {}
for user, policy in zip(["publisher", "hosts"], sys.argv[1:]):
    iam.create_user(UserName=user)
    iam.put_user_policy(UserName=user, PolicyName="fleet", PolicyDocument=policy)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    keys[user] = [key["AccessKeyId"], key["SecretAccessKey"], ""]
trust = {"Version": "2012-10-17", "Statement": []}
iam.create_role(RoleName="publisher", AssumeRolePolicyDocument=json.dumps(trust))
iam.put_role_policy(RoleName="publisher", PolicyName="fleet", PolicyDocument=sys.argv[1])
role = "arn:aws:iam::123456789012:role/publisher"
key = sts.assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
keys["role"] = [key["AccessKeyId"], key["SecretAccessKey"], key["SessionToken"]]

# From now on everything is checked.
requests.post(f"{endpoint}/moto-api/reset-auth", data=b"0", timeout=30)
print(json.dumps({"port": port, "keys": keys}), flush=True)
for line in sys.stdin:
    if line == "stop\n":
        server.stop()
    else:
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
        server.start()
    print(line, end="", flush=True)
