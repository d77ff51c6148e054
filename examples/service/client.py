"""A client of `distill serve`: python client.py http://127.0.0.1:8000 "a text" "another"; with TOKEN set."""

import json
import os
import sys
import urllib.error
import urllib.request

url, texts = sys.argv[1], sys.argv[2:]
headers = {"Content-Type": "application/json", "Authorization": f"Bearer {os.environ.get('TOKEN', '')}"}
request = urllib.request.Request(f"{url}/v1/predict", json.dumps({"texts": texts}).encode(), headers)
try:
    with urllib.request.urlopen(request, timeout=30) as reply:
        answer = json.load(reply)
except urllib.error.HTTPError as error:  # 503: wait as long as Retry-After says, and send it again
    sys.exit(f"{error.code}: {json.load(error)['error']}")
for prediction in answer["predictions"]:
    print("a person decides" if prediction["abstained"] else prediction["labels"], prediction["scores"])
