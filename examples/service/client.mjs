// A client of `distill serve`: node client.mjs http://127.0.0.1:8000 "a text" "another"; with TOKEN set.
const [url, ...texts] = process.argv.slice(2);
const reply = await fetch(`${url}/v1/predict`, {
  method: "POST",
  headers: { "Content-Type": "application/json", Authorization: `Bearer ${process.env.TOKEN ?? ""}` },
  body: JSON.stringify({ texts }),
  signal: AbortSignal.timeout(30_000),
});
const answer = await reply.json();
if (!reply.ok) {
  // 503: wait as long as Retry-After says, and send it again
  console.error(`${reply.status}: ${answer.error}`);
  process.exit(1);
}
for (const prediction of answer.predictions) {
  console.log(prediction.abstained ? "a person decides" : prediction.labels, prediction.scores);
}
