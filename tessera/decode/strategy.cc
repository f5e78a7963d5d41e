#include "tessera/decode/strategy.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace tessera {

std::string_view finish_name(Finish finish) {
  constexpr std::string_view names[] = {"running",    "stop",      "length",
                                        "constraint", "cancelled", "error"};
  return names[static_cast<size_t>(finish)];
}

Branch::Branch(const SearchSetup& setup, std::unique_ptr<Past> seen, uint64_t stream)
    : past(std::move(seen)),
      constraint(setup.constraint->clone()),
      random(setup.seed, stream),
      decoder_(setup.tokenizer),
      scanner_(setup.stop) {
  auto known = static_cast<size_t>(past->length());
  assert(known < setup.prompt.size());
  pending.assign(setup.prompt.begin() + static_cast<ptrdiff_t>(known), setup.prompt.end());
  ids.reserve(static_cast<size_t>(std::min<int64_t>(setup.max_tokens, 4096)));
}

Branch::Branch(const Branch& from, uint64_t stream)
    : past(from.past->fork()),
      pending(from.pending),
      parents(from.parents),
      wanted(from.wanted),
      ids(from.ids),
      steps(from.steps),
      score(from.score),
      constraint(from.constraint->clone()),
      random(from.random.other(stream)),
      text(from.text),
      finish(from.finish),
      decoder_(from.decoder_),
      scanner_(from.scanner_) {}

Branch Branch::fork(uint64_t stream) const { return Branch(*this, stream); }

void Branch::extend(const SearchSetup& setup, TokenId id) {
  assert(finish == Finish::running);
  ids.push_back(id);
  pending.assign(1, id);
  if (std::find(setup.stop_ids.begin(), setup.stop_ids.end(), id) != setup.stop_ids.end()) {
    end(Finish::stop);
    return;
  }
  if (!constraint->everything()) {
    constraint->accept(piece_of(setup.tokenizer->vocabulary(), id));
  }
  text += scanner_.push(decoder_.push(id));
  if (scanner_.stopped()) {
    finish = Finish::stop;
  } else if (constraint->ended()) {
    end(Finish::constraint);
  } else if (static_cast<int64_t>(ids.size()) >= setup.max_tokens) {
    end(Finish::length);
  }
}

void Branch::end(Finish why) {
  if (finish != Finish::running) return;
  finish = why;
  text += scanner_.push(decoder_.finish());
  // The last character may have completed a stop string.
  if (scanner_.stopped()) {
    finish = Finish::stop;
  } else {
    text += scanner_.finish();
  }
}

}  // namespace tessera
