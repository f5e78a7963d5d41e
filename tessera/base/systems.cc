#include "tessera/base/systems.h"

namespace tessera {
namespace {

constexpr System kSystems[] = {
    {1, "dynamic-tokenization", "arXiv 2411.18553"},
    {2, "less-is-better", "arXiv 2403.00417"},
    {3, "recycled-attention", "arXiv 2411.05787"},
    {4, "learn-your-tokens", "arXiv 2310.11628"},
    {5, "extensible-tokenization", "arXiv 2401.07793"},
    {6, "segment-any-text", "arXiv 2406.16678"},
    {7, "vote-k", "arXiv 2209.01975"},
    {8, "unified-generative-retriever", "arXiv 2304.14856"},
    {9, "unified-mllm", "arXiv 2408.02503"},
    {10, "landmark-attention", "arXiv 2305.16300"},
    {11, "tokenadapt-supertokens", "arXiv 2505.09738"},
    {12, "electra", "arXiv 2003.10555"},
    {13, "exact-byte-probabilities", "arXiv 2410.09303"},
    {14, "efficient-prompt-tuning", "arXiv 2405.11464"},
    {15, "few-shot-learners", "arXiv 2005.14165"},
    {16, "phatgoose", "arXiv 2402.05859"},
    {17, "scalable-language-model", "arXiv 2404.07470"},
    {18, "hierarchical-transformer", "arXiv 2501.10322"},
    {19, "token-select", "arXiv 2411.02886"},
    {20, "zero-shot-tokenizer-transfer", "arXiv 2405.07883"},
    {21, "attention-calibration", "arXiv 2406.15765"},
    {22, "magnet", "arXiv 2407.08818"},
    {23, "claps", "arXiv 2310.12774"},
    {24, "full-ranking", "arXiv 2412.14574"},
    {25, "tokenization-theory", "arXiv 2404.08335"},
    {26, "transnormer", "arXiv 2307.14995"},
    {27, "long-heads", "arXiv 2402.10685"},
    {28, "lexical-specialization", "arXiv 2208.01018"},
    {29, "linguistic-integrity", "arXiv 2502.07057"},
    {30, "awrs", "arXiv 2504.05410"},
    {31, "tildev2", "arXiv 2108.08513"},
    {32, "domain-tokenizers", "arXiv 2503.17247"},
    {33, "infini-retri", "arXiv 2502.12962"},
    {34, "edit-spans", "arXiv 2305.11862"},
    {35, "klue", "arXiv 2105.09680"},
    {36, "dual-process", "arXiv 2406.00053"},
    {37, "cabrita", "arXiv 2308.11878"},
    {38, "needle-threading", "arXiv 2411.05000"},
    {39, "llm-overview", "arXiv 2307.06435"},
    {40, "kasa", "arXiv 2412.06071"},
    {41, "prompt-techniques", "arXiv 2402.07927"},
};

}  // namespace

std::span<const System> systems() { return kSystems; }

const System* find_system(std::string_view name) {
  for (const System& s : kSystems) {
    if (s.name == name) return &s;
  }
  return nullptr;
}

}  // namespace tessera
