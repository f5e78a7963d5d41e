// The tree that a template is parsed into. Private to the template's own sources.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/text/value.h"

namespace tessera::templates {

struct Place {
  int line = 1, column = 1;
};

enum class Op : uint8_t {
  literal,    // value
  name,       // text
  list,       // kids
  tuple,      // kids
  map,        // kids: key, value, key, value, ...
  attribute,  // kids[0] . text
  item,       // kids[0] [ kids[1] ]
  slice,      // kids[0] [ kids[1] : kids[2] : kids[3] ], null where left out
  call,       // kids[0] ( kids[1..], of which the last keywords.size() are named )
  filter,     // kids[0] | text ( kids[1..], ... )
  test,       // kids[0] is text ( kids[1..], ... )
  negate, plus, not_,
  and_, or_,
  add, subtract, multiply, divide, floor_divide, modulo, power,
  concat,     // kids
  compare,    // kids[0] words[0] kids[1] words[1] kids[2] ...
  splat,      // *kids[0] among the arguments of a call
  choose,     // kids[0] if kids[1] else kids[2], which may be null
};

struct Expression {
  Op op = Op::literal;
  Place place;
  int depth = 1;
  std::string text;
  Value value;
  std::vector<std::unique_ptr<Expression>> kids;
  std::vector<std::string> words;  // keywords of a call; operators of a comparison
};
using ExpressionPointer = std::unique_ptr<Expression>;

enum class Act : uint8_t {
  text,        // text
  print,       // a
  for_,        // names in a, if b; body, other
  if_,         // a; body; other (an elif is an if_ in other)
  set,         // names = a
  set_member,  // names[0].names[1] = a
  set_block,   // names[0] = what body writes, through a (filters on an `input` name) when given
  macro,       // text(names), defaults for the last ones; body
  block,       // body in a scope of its own ({% generation %})
  filter,      // what body writes, through a
  break_,
  continue_,
};

struct Statement {
  Act act = Act::text;
  Place place;
  std::string text;
  std::vector<std::string> names;
  ExpressionPointer a, b;
  std::vector<ExpressionPointer> defaults;
  std::vector<Statement> body, other;
};

// The name under which a block's own text reaches its filters.
inline constexpr std::string_view kBlockText = "(block)";

enum class Token : uint8_t { text, print_begin, print_end, block_begin, block_end, name, string, integer,
                             real, sign, end };

struct Lexeme {
  Token token = Token::end;
  Place place;
  std::string text;    // of a string: its value
};

// Splits a template as Jinja does with trim_blocks and lstrip_blocks on. Throws Error.
std::vector<Lexeme> split(std::string_view source, const std::string& name);
// Throws Error with line and column.
std::vector<Statement> parse(std::vector<Lexeme> lexemes, const std::string& name);

inline std::string place_text(const std::string& name, Place place) {
  return name + ": line " + std::to_string(place.line) + ", column " + std::to_string(place.column);
}

}  // namespace tessera::templates
