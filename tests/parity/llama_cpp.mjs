// llama.cpp through its npm build: answers requests, one JSON object a line of standard input.
//   node llama_cpp.mjs MODEL
// {"text": ..} -> ids, control tokens written in the text parsed
// {"ids": [..], "count": N} -> up to N ids of the greedy continuation, without the end token
import {createInterface} from "node:readline";
import {getLlama, LlamaLogLevel} from "node-llama-cpp";

const llama = await getLlama({gpu: false, build: "never", maxThreads: 1, logLevel: LlamaLogLevel.error});
const model = await llama.loadModel({modelPath: process.argv[2]});
let context = null;

async function continued(ids, count) {
  context ??= await model.createContext({contextSize: 1024, threads: 1});
  const sequence = context.getSequence();
  const answer = [];
  for await (const id of sequence.evaluate(ids, {temperature: 0})) {
    answer.push(id);
    if (answer.length === count) break;
  }
  sequence.dispose();
  return answer;
}

for await (const line of createInterface({input: process.stdin})) {
  const request = JSON.parse(line);
  const ids = "text" in request ? model.tokenize(request.text, true)
                                : await continued(request.ids, request.count);
  console.log(JSON.stringify(ids));
}
process.exit(0);
