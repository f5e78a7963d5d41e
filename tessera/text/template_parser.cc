// Statements and expressions in one file, longer than most: they are one grammar that refers to
// itself.
#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <string_view>
#include <utility>

#include "tessera/base/error.h"
#include "tessera/text/template_ast.h"

namespace tessera::templates {
namespace {

constexpr int kMaxDepth = 200;  // of a tree, so that walking it cannot use up the stack

class Parser {
 public:
  Parser(std::vector<Lexeme> lexemes, const std::string& name)
      : lexemes_(std::move(lexemes)), name_(name) {}

  std::vector<Statement> run() {
    auto out = body({});
    if (now().token != Token::end) fail("unexpected " + shown(now()));
    return out;
  }

 private:
  using Names = std::vector<std::string_view>;

  const Lexeme& now() const { return lexemes_[at_]; }
  const Lexeme& next() const { return lexemes_[std::min(at_ + 1, lexemes_.size() - 1)]; }
  [[noreturn]] void fail(const std::string& what, const std::string& remedy = "") const {
    throw Error(place_text(name_, now().place), what, remedy);
  }
  static std::string shown(const Lexeme& lexeme) {
    switch (lexeme.token) {
      case Token::print_end:
        return "}}";
      case Token::block_end:
        return "%}";
      case Token::print_begin:
        return "{{";
      case Token::block_begin:
        return "{%";
      case Token::end:
        return "end of template";
      default:
        return "\"" + lexeme.text + "\"";
    }
  }
  bool is_sign(std::string_view s) const { return now().token == Token::sign && now().text == s; }
  bool is_word(std::string_view s) const { return now().token == Token::name && now().text == s; }
  bool take_sign(std::string_view s) { return is_sign(s) && ++at_; }
  bool take_word(std::string_view s) { return is_word(s) && ++at_; }
  void need_sign(std::string_view s) {
    if (!take_sign(s)) fail("expected \"" + std::string(s) + "\", found " + shown(now()));
  }
  std::string need_name() {
    if (now().token != Token::name) fail("expected a name, found " + shown(now()));
    return lexemes_[at_++].text;
  }
  void need(Token token) {
    if (now().token != token) fail("unexpected " + shown(now()));
    ++at_;
  }

  // Counts how deep the parser itself stands.
  struct Level {
    explicit Level(Parser& p) : parser(p) {
      if (++parser.level_ > kMaxDepth) parser.fail("nested too deep");
    }
    ~Level() { --parser.level_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;
    Parser& parser;
  };

  // Statements up to one of `ends`, which stays to be read behind its {%.
  std::vector<Statement> body(const Names& ends) {
    Level level(*this);
    std::vector<Statement> out;
    while (true) {
      if (now().token == Token::text) {
        Statement s{.act = Act::text,
                    .place = now().place,
                    .text = now().text,
                    .names = {},
                    .a = {},
                    .b = {},
                    .defaults = {},
                    .body = {},
                    .other = {}};
        ++at_;
        out.push_back(std::move(s));
      } else if (now().token == Token::print_begin) {
        Statement s;
        s.act = Act::print;
        s.place = now().place;
        ++at_;
        s.a = tuple_or_expression();
        need(Token::print_end);
        out.push_back(std::move(s));
      } else if (now().token == Token::block_begin) {
        if (next().token == Token::name &&
            std::find(ends.begin(), ends.end(), next().text) != ends.end()) {
          ++at_;
          return out;
        }
        out.push_back(statement());
      } else {
        if (!ends.empty())
          fail("expected {% " + std::string(ends.back()) + " %}, found " + shown(now()));
        return out;
      }
    }
  }

  void end_block(std::string_view name) {
    if (!take_word(name)) fail("expected {% " + std::string(name) + " %}");
    need(Token::block_end);
  }

  Statement statement() {
    Statement s;
    s.place = now().place;
    ++at_;
    std::string word = need_name();
    if (word == "for") {
      for_statement(s);
    } else if (word == "if") {
      if_statement(s);
    } else if (word == "set") {
      set_statement(s);
    } else if (word == "macro") {
      macro_statement(s);
    } else if (word == "generation") {
      s.act = Act::block;
      need(Token::block_end);
      s.body = body({"endgeneration"});
      end_block("endgeneration");
    } else if (word == "filter") {
      s.act = Act::filter;
      s.a = filters(block_text(), true);
      need(Token::block_end);
      s.body = body({"endfilter"});
      end_block("endfilter");
    } else if (word == "break" || word == "continue") {
      if (loops_ == 0) fail(word + " stands outside of a loop");
      s.act = word == "break" ? Act::break_ : Act::continue_;
      need(Token::block_end);
    } else {
      --at_;
      fail("{% " + word + " %} is not served",
           "Chat templates may use for, if, set, macro, filter, generation, break, continue and "
           "raw.");
    }
    return s;
  }

  void for_statement(Statement& s) {
    s.act = Act::for_;
    s.names = targets();
    if (!take_word("in")) fail("expected \"in\", found " + shown(now()));
    s.a = tuple_or_expression(false);
    if (take_word("if")) s.b = expression();
    if (is_word("recursive")) fail("recursive loops are not served");
    need(Token::block_end);
    ++loops_;
    s.body = body({"else", "endfor"});
    --loops_;
    if (take_word("else")) {
      need(Token::block_end);
      s.other = body({"endfor"});
    }
    end_block("endfor");
  }

  void if_statement(Statement& s) {
    Level level(*this);
    s.act = Act::if_;
    s.a = tuple_or_expression();
    need(Token::block_end);
    s.body = body({"elif", "else", "endif"});
    if (is_word("elif")) {
      Statement other;
      other.place = now().place;
      ++at_;
      if_statement(other);
      s.other.push_back(std::move(other));
      return;  // the innermost elif has read the endif
    }
    if (take_word("else")) {
      need(Token::block_end);
      s.other = body({"endif"});
    }
    end_block("endif");
  }

  void set_statement(Statement& s) {
    if (now().token == Token::name && next().token == Token::sign && next().text == ".") {
      s.act = Act::set_member;
      s.names.push_back(need_name());
      need_sign(".");
      s.names.push_back(need_name());
      need_sign("=");
      s.a = tuple_or_expression();
      need(Token::block_end);
      return;
    }
    s.names = targets();
    if (take_sign("=")) {
      s.act = Act::set;
      s.a = tuple_or_expression();
      need(Token::block_end);
      return;
    }
    s.act = Act::set_block;
    if (s.names.size() != 1) fail("expected \"=\", found " + shown(now()));
    if (is_sign("|")) s.a = filters(block_text(), false);
    need(Token::block_end);
    s.body = body({"endset"});
    end_block("endset");
  }

  void macro_statement(Statement& s) {
    s.act = Act::macro;
    s.text = need_name();
    need_sign("(");
    while (!take_sign(")")) {
      if (!s.names.empty()) need_sign(",");
      s.names.push_back(need_name());
      if (take_sign("=")) {
        s.defaults.push_back(expression());
      } else if (!s.defaults.empty()) {
        fail("a parameter without default follows one with a default");
      }
    }
    need(Token::block_end);
    int outer = std::exchange(loops_, 0);
    s.body = body({"endmacro"});
    loops_ = outer;
    end_block("endmacro");
  }

  std::vector<std::string> targets() {
    std::vector<std::string> out;
    bool round = take_sign("(");
    out.push_back(need_name());
    while (take_sign(",")) {
      if (now().token != Token::name || is_word("in")) break;
      out.push_back(need_name());
    }
    if (round) need_sign(")");
    return out;
  }

  ExpressionPointer make(Op op, Place place, std::string text = "") const {
    auto e = std::make_unique<Expression>();
    e->op = op;
    e->place = place;
    e->text = std::move(text);
    return e;
  }
  void adopt(Expression& parent, ExpressionPointer kid) const {
    if (kid) parent.depth = std::max(parent.depth, kid->depth + 1);
    if (parent.depth > kMaxDepth) fail("the expression is nested too deep");
    parent.kids.push_back(std::move(kid));
  }
  ExpressionPointer pair(Op op, Place place, ExpressionPointer a, ExpressionPointer b) const {
    auto e = make(op, place);
    adopt(*e, std::move(a));
    adopt(*e, std::move(b));
    return e;
  }
  ExpressionPointer block_text() const {
    return make(Op::name, now().place, std::string(kBlockText));
  }

  ExpressionPointer tuple_or_expression(bool choice = true) {
    Place place = now().place;
    auto first = choice ? expression() : or_expression();
    if (!is_sign(",")) return first;
    auto e = make(Op::tuple, place);
    adopt(*e, std::move(first));
    while (take_sign(",")) {
      if (now().token == Token::print_end || now().token == Token::block_end) break;
      adopt(*e, choice ? expression() : or_expression());
    }
    return e;
  }

  ExpressionPointer expression() {
    Level level(*this);
    auto value = or_expression();
    while (is_word("if")) {
      auto e = make(Op::choose, now().place);
      ++at_;
      adopt(*e, std::move(value));
      adopt(*e, or_expression());
      if (take_word("else")) {
        adopt(*e, expression());
      } else {
        e->kids.push_back(nullptr);
      }
      value = std::move(e);
    }
    return value;
  }

  struct Operator {
    std::string_view text;
    Op op;
  };
  // operand (operator operand)*, from left to right.
  ExpressionPointer chain(std::initializer_list<Operator> operators,
                          ExpressionPointer (Parser::*operand)()) {
    auto left = (this->*operand)();
    for (;;) {
      const auto* found = std::ranges::find_if(
          operators, [&](const Operator& o) { return is_word(o.text) || is_sign(o.text); });
      if (found == operators.end()) return left;
      Place place = now().place;
      ++at_;
      left = pair(found->op, place, std::move(left), (this->*operand)());
    }
  }

  ExpressionPointer or_expression() { return chain({{"or", Op::or_}}, &Parser::and_expression); }
  ExpressionPointer and_expression() { return chain({{"and", Op::and_}}, &Parser::not_expression); }

  ExpressionPointer not_expression() {
    Level level(*this);
    if (!is_word("not")) return comparison();
    auto e = make(Op::not_, now().place);
    ++at_;
    adopt(*e, not_expression());
    return e;
  }

  ExpressionPointer comparison() {
    auto left = sum();
    ExpressionPointer e;
    while (true) {
      std::string op;
      if (now().token == Token::sign) {
        for (std::string_view s : {"==", "!=", "<", "<=", ">", ">="}) {
          if (now().text == s) op = s;
        }
      } else if (is_word("in")) {
        op = "in";
      } else if (is_word("not") && next().token == Token::name && next().text == "in") {
        op = "not in";
      }
      if (op.empty()) return e ? std::move(e) : std::move(left);
      if (!e) {
        e = make(Op::compare, now().place);
        adopt(*e, std::move(left));
      }
      at_ += op == "not in" ? 2 : 1;
      e->words.push_back(op);
      adopt(*e, sum());
    }
  }

  ExpressionPointer sum() {
    return chain({{"+", Op::add}, {"-", Op::subtract}}, &Parser::concatenation);
  }
  ExpressionPointer concatenation() {
    auto left = product();
    if (!is_sign("~")) return left;
    auto e = make(Op::concat, now().place);
    adopt(*e, std::move(left));
    while (take_sign("~")) adopt(*e, product());
    return e;
  }

  ExpressionPointer product() {
    return chain(
        {{"*", Op::multiply}, {"/", Op::divide}, {"//", Op::floor_divide}, {"%", Op::modulo}},
        &Parser::power);
  }

  ExpressionPointer power() {
    auto left = unary(true);
    while (is_sign("**")) {
      Place place = now().place;
      ++at_;
      left = pair(Op::power, place, std::move(left), unary(true));
    }
    return left;
  }

  ExpressionPointer unary(bool with_filters) {
    Level level(*this);
    ExpressionPointer e;
    if (is_sign("-") || is_sign("+")) {
      e = make(is_sign("-") ? Op::negate : Op::plus, now().place);
      ++at_;
      adopt(*e, unary(false));
    } else {
      e = primary();
    }
    e = postfix(std::move(e));
    return with_filters ? filters(std::move(e), false) : std::move(e);
  }

  ExpressionPointer primary() {
    const Lexeme& l = now();
    Place place = l.place;
    if (l.token == Token::name) {
      std::string name = need_name();
      auto e = make(Op::literal, place);
      if (name == "true" || name == "True") {
        e->value = Value::boolean(true);
      } else if (name == "false" || name == "False") {
        e->value = Value::boolean(false);
      } else if (name == "none" || name == "None") {
        e->value = Value::none();
      } else {
        e->op = Op::name;
        e->text = std::move(name);
      }
      return e;
    }
    if (l.token == Token::string) {
      std::string text;
      while (now().token == Token::string) text += lexemes_[at_++].text;
      auto e = make(Op::literal, place);
      e->value = Value::string(std::move(text));
      return e;
    }
    if (l.token == Token::integer || l.token == Token::real) {
      auto e = make(Op::literal, place);
      const char* begin = l.text.data();
      const char* end = begin + l.text.size();
      int64_t whole = 0;
      double real = 0;
      if (l.token == Token::integer && std::from_chars(begin, end, whole).ec == std::errc()) {
        e->value = Value::integer(whole);
      } else if (l.token == Token::real && std::from_chars(begin, end, real).ec == std::errc()) {
        e->value = Value::real(real);
      } else {
        fail("the number " + l.text + " is too large");
      }
      ++at_;
      return e;
    }
    if (take_sign("(")) return round(place);
    if (take_sign("[")) {
      auto e = make(Op::list, place);
      while (!take_sign("]")) {
        if (!e->kids.empty()) {
          need_sign(",");
          if (take_sign("]")) break;
        }
        adopt(*e, expression());
      }
      return e;
    }
    if (take_sign("{")) {
      auto e = make(Op::map, place);
      while (!take_sign("}")) {
        if (!e->kids.empty()) {
          need_sign(",");
          if (take_sign("}")) break;
        }
        adopt(*e, expression());
        need_sign(":");
        adopt(*e, expression());
      }
      return e;
    }
    fail("expected a value, found " + shown(l));
  }

  // Behind "(": a value in brackets or a tuple.
  ExpressionPointer round(Place place) {
    auto e = make(Op::tuple, place);
    if (take_sign(")")) return e;
    auto first = expression();
    if (take_sign(")")) return first;
    adopt(*e, std::move(first));
    while (!take_sign(")")) {
      need_sign(",");
      if (take_sign(")")) break;
      adopt(*e, expression());
    }
    return e;
  }

  ExpressionPointer postfix(ExpressionPointer e) {
    while (true) {
      Place place = now().place;
      if (take_sign(".")) {
        if (now().token == Token::integer) {
          auto index = make(Op::literal, place);
          index->value = Value::integer(std::atoll(lexemes_[at_++].text.c_str()));
          e = pair(Op::item, place, std::move(e), std::move(index));
          continue;
        }
        auto outer = make(Op::attribute, place, need_name());
        adopt(*outer, std::move(e));
        e = std::move(outer);
      } else if (take_sign("[")) {
        e = subscript(std::move(e), place);
      } else if (is_sign("(")) {
        auto outer = make(Op::call, place);
        adopt(*outer, std::move(e));
        arguments(*outer);
        e = std::move(outer);
      } else {
        return e;
      }
    }
  }

  ExpressionPointer subscript(ExpressionPointer e, Place place) {
    ExpressionPointer parts[3];
    int part = 0;
    bool slice = false;
    while (!take_sign("]")) {
      if (take_sign(":")) {
        slice = true;
        if (++part > 2) fail("a slice has three parts at most");
      } else if (!parts[part]) {
        parts[part] = expression();
      } else {
        fail("expected \"]\", found " + shown(now()));
      }
    }
    if (!slice) {
      if (!parts[0]) fail("the subscript is empty");
      return pair(Op::item, place, std::move(e), std::move(parts[0]));
    }
    auto outer = make(Op::slice, place);
    adopt(*outer, std::move(e));
    for (auto& p : parts) adopt(*outer, std::move(p));
    return outer;
  }

  // At "(": arguments of a call, filter or test.
  void arguments(Expression& e) {
    need_sign("(");
    bool first = true;
    while (!take_sign(")")) {
      if (!std::exchange(first, false)) {
        need_sign(",");
        if (take_sign(")")) break;
      }
      if (now().token == Token::name && next().token == Token::sign && next().text == "=") {
        e.words.push_back(need_name());
        need_sign("=");
      } else if (e.words.empty() && is_sign("*")) {
        auto all = make(Op::splat, now().place);
        ++at_;
        adopt(*all, expression());
        adopt(e, std::move(all));
        continue;
      } else if (!e.words.empty()) {
        fail("an argument without a name follows one with a name");
      }
      adopt(e, expression());
    }
  }

  // Filters and tests behind a value. `bare`: the first filter has no bar in front ({% filter %}).
  ExpressionPointer filters(ExpressionPointer e, bool bare) {
    while (true) {
      Place place = now().place;
      if (bare || take_sign("|")) {
        bare = false;
        auto outer = make(Op::filter, place, need_name());
        adopt(*outer, std::move(e));
        if (is_sign("(")) arguments(*outer);
        e = std::move(outer);
      } else if (take_word("is")) {
        bool negated = take_word("not");
        auto outer = make(Op::test, place, need_name());
        adopt(*outer, std::move(e));
        if (is_sign("(")) {
          arguments(*outer);
        } else if (test_argument()) {
          adopt(*outer, postfix(primary()));
        }
        e = std::move(outer);
        if (negated) {
          auto no = make(Op::not_, place);
          adopt(*no, std::move(e));
          e = std::move(no);
        }
      } else if (is_sign("(")) {
        auto outer = make(Op::call, place);
        adopt(*outer, std::move(e));
        arguments(*outer);
        e = std::move(outer);
      } else {
        return e;
      }
    }
  }

  bool test_argument() const {
    switch (now().token) {
      case Token::string:
      case Token::integer:
      case Token::real:
        return true;
      case Token::sign:
        return now().text == "[" || now().text == "{";
      case Token::name: {
        for (std::string_view word : {"else", "or", "and", "is", "if", "not", "in"}) {
          if (now().text == word) return false;
        }
        return true;
      }
      default:
        return false;
    }
  }

  std::vector<Lexeme> lexemes_;
  const std::string& name_;
  size_t at_ = 0;
  int level_ = 0;
  int loops_ = 0;
};

}  // namespace

std::vector<Statement> parse(std::vector<Lexeme> lexemes, const std::string& name) {
  return Parser(std::move(lexemes), name).run();
}

}  // namespace tessera::templates
