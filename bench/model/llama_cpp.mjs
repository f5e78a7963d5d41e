// llama.cpp through its npm build: prefill and decode speed of a GGUF file, one JSON line.
//   node llama_cpp.mjs MODEL THREADS PROMPT_TOKENS TOKENS
import {getLlama, LlamaLogLevel} from "node-llama-cpp";

const [file, threads, promptTokens, tokens] = [process.argv[2], ...process.argv.slice(3).map(Number)];
const llama = await getLlama({gpu: false, build: "never", maxThreads: threads, logLevel: LlamaLogLevel.error});
const model = await llama.loadModel({modelPath: file});
const context = await model.createContext({contextSize: promptTokens + tokens + 16, threads, batchSize: 512});
const vocabulary = 49152;
const prompt = Array.from({length: promptTokens}, (_, i) => (i * 7919) % vocabulary);
let best = {prefill: 0, decode: 0};
for (let round = 0; round < 3; round++) {
  const sequence = context.getSequence();
  let start = performance.now();
  await sequence.evaluateWithoutGeneratingNewTokens(prompt.slice(0, -1));
  const prefill = (promptTokens - 1) / (performance.now() - start) * 1000;
  let count = 0;
  start = performance.now();
  for await (const _ of sequence.evaluate(prompt.slice(-1), {temperature: 0, yieldEogToken: true})) {
    if (++count === tokens) break;
  }
  const decode = count / (performance.now() - start) * 1000;
  best = {prefill: Math.max(best.prefill, prefill), decode: Math.max(best.decode, decode)};
  sequence.dispose();
}
console.log(JSON.stringify({prefill_tokens_per_s: best.prefill, decode_tokens_per_s: best.decode}));
process.exit(0);
