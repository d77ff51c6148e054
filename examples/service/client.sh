#!/bin/sh
# A client of `distill serve`: sh client.sh http://127.0.0.1:8000 "a text"; TOKEN if it asks for one.
# The text goes through standard input, because other users of a machine can read a command's arguments.
text=$(printf '%s' "$2" | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' | tr '\n\t\r' '   ')
printf '{"texts": ["%s"]}' "$text" |
  curl --silent --show-error --fail-with-body --max-time 30 --retry 3 \
    --header 'Content-Type: application/json' --header "Authorization: Bearer ${TOKEN:-}" \
    --data-binary @- "$1/v1/predict"
