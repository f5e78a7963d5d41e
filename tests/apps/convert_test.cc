#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/apps/spawn.h"
#include "tests/apps/verbs.h"
#include "tests/base/temporary_folder.h"

namespace tessera {
namespace {

using test::expect_refused;
using test::last_object;
using test::spawn;

TEST(Convert, WritesAModelThatRunsAndIsAsLargeAsItSays) {
  NEEDS_MODEL("smollm2");
  test::TemporaryFolder folder;
  const std::string file = folder / "m.gguf";
  const auto done = last_object(spawn({"convert", "-o", file, "--type", "q4_0", "--json"}));
  EXPECT_GT(done["changed"], 0);
  EXPECT_LT(done["bytes"], done["bytes_before"]);
  EXPECT_LT(done["relative_error"], 0.12);  // half a step of 16 over a normal distribution
  EXPECT_EQ(last_object(spawn({"run", "-m", file, "--json", "--max-tokens", "2", "Hi"}))["tokens"],
            2);
}

TEST(Convert, RefusesWhatItCannotDo) {
  test::TemporaryFolder folder;
  expect_refused(spawn({"convert", "-o", folder / "m.bin"}), 2, "End it in .gguf");
  expect_refused(spawn({"convert", "-o", folder / "m.gguf", "--type", "q9"}), 2, "q9");
  const std::string bad = folder.write("bad.gguf", "no model");
  expect_refused(spawn({"convert", "-m", bad, "-o", folder / "m.gguf"}), 1, "bad.gguf");
  NEEDS_MODEL("smollm2");
  expect_refused(spawn({"convert", "-o", folder / "none/m.gguf"}), 1, "cannot be written");
  expect_refused(spawn({"convert", "-m", "minilm", "-o", folder / "m.gguf"}), 1, "family bert");
  expect_refused(spawn({"convert", "-o", folder / "m", "--type", "q8_0"}), 1, "bf16");
  EXPECT_EQ(folder.files(), 1u);
}

TEST(Convert, RefusesACalibrationThatSaysNothing) {
  NEEDS_MODEL("smollm2");
  test::TemporaryFolder folder;
  const auto calibrated = [&](const std::string& type, const std::string& text,
                              const std::string& how) {
    return spawn(
        {"convert", "-o", folder / "m.gguf", "--type", type, "--calibrate", text, "--round", how});
  };
  const std::string empty = folder.write("empty.txt", "");
  const std::string brief = folder.write("brief.txt", std::string("\xff\0\xc0 <|im_end|>", 14));
  expect_refused(calibrated("q4_0", empty, "weighted"), 1, "holds 0 tokens");
  expect_refused(calibrated("q4_0", brief, "gptq"), 1, "too few");
  expect_refused(calibrated("q4_0", folder / "none.txt", "weighted"), 1, "none.txt");
  expect_refused(calibrated("q8_0", brief, "weighted"), 2, "changes nothing about q8_0");
  expect_refused(calibrated("q4_0", brief, "best"), 2, "best");
  expect_refused(spawn({"convert", "-o", folder / "m.gguf", "--type", "q4_0", "--round", "gptq"}),
                 2, "Add --calibrate");
  EXPECT_EQ(folder.files(), 2u);
}

}  // namespace
}  // namespace tessera
