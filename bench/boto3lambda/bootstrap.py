"""A Lambda runtime of the fewest lines: AWS's own (awslambdaric) loads more, so this one flatters Python."""

import http.client
import importlib
import json
import os

handler = importlib.import_module("lambda_function").lambda_handler
connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])


def call(method, path, body=None):
    connection.request(method, "/2018-06-01/runtime/invocation/" + path, body)
    response = connection.getresponse()
    return response.headers, response.read()


while True:
    headers, event = call("GET", "next")
    request_id = headers["Lambda-Runtime-Aws-Request-Id"]
    try:
        answer = "response", handler(json.loads(event), None)
    except Exception as error:  # whatever it is, the caller has to hear of it
        answer = "error", {"errorType": type(error).__name__, "errorMessage": str(error)}
    call("POST", request_id + "/" + answer[0], json.dumps(answer[1]))
