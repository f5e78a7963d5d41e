// Normalisers that tokenizer.json names. Meaning: docs/formats/tokenizer-json.md.
#pragma once

#include "tessera/text/normalise.h"
#include "tessera/tokenizer/charsmap.h"
#include "tessera/tokenizer/parts.h"

namespace tessera {

struct BertNormaliserOptions {
  bool clean_text = true;      // no control characters, every white space becomes a space
  bool chinese_spaces = true;  // CJK characters stand alone
  bool strip_accents = true;
  bool lower_case = true;
};

std::unique_ptr<Normaliser> normal_form(NormalForm form);
std::unique_ptr<Normaliser> lower_caser();
std::unique_ptr<Normaliser> accent_stripper();
std::unique_ptr<Normaliser> space_stripper(bool left, bool right);
std::unique_ptr<Normaliser> replacer(Pattern pattern, std::string content);
std::unique_ptr<Normaliser> prepender(std::string text);
std::unique_ptr<Normaliser> bert_normaliser(const BertNormaliserOptions& options);
// Control characters go, what counts as space becomes one.
std::unique_ptr<Normaliser> nmt_normaliser();
// Every byte becomes the character that the byte-level alphabet has for it.
std::unique_ptr<Normaliser> byte_level_normaliser();
// A precompiled map as the reference package applies it: to grapheme clusters of up to five bytes
// that begin with a string of the map, and to characters.
std::unique_ptr<Normaliser> precompiled(Charsmap map);
std::unique_ptr<Normaliser> sequence(std::vector<std::unique_ptr<Normaliser>> parts);

}  // namespace tessera
