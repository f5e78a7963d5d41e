/* Shows how a text falls into tokens: the id of each, where it lies, and its bytes.
 *   tokens MODEL TEXT
 * Built against an installed Tessera:  cc tokens.c -ltessera */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <tessera_text.h>

static int fail(char* error) {
  fprintf(stderr, "tokens: %s\n", error ? error : "out of memory");
  tessera_free(error);
  return 1;
}

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "tokens MODEL TEXT\n");
    return 2;
  }
  char* error;
  tessera_tokenizer* tokenizer = tessera_tokenizer_open(argv[1], &error);
  if (!tokenizer) return fail(error);
  const char* text = argv[2];
  tessera_encoding* found = tessera_encoding_new();
  if (tessera_encode(tokenizer, text, strlen(text), TESSERA_SPANS, found, &error) != 0) {
    return fail(error);
  }
  const int32_t* ids = tessera_encoding_ids(found);
  const tessera_span* spans = tessera_encoding_spans(found);
  for (size_t i = 0; i < tessera_encoding_size(found); ++i) {
    size_t length;
    const char* bytes = tessera_token_bytes(tokenizer, ids[i], &length);
    printf("%" PRId32 "\t%" PRId64 "\t%" PRId64 "\t%.*s\n", ids[i], spans[i].begin, spans[i].end,
           (int)length, bytes);
  }
  size_t length;
  char* back = tessera_decode(tokenizer, ids, tessera_encoding_size(found), 0, &length, &error);
  if (!back) return fail(error);
  printf("%zu tokens, back: %s\n", tessera_encoding_size(found), back);
  tessera_free(back);
  tessera_encoding_free(found);
  tessera_tokenizer_close(tokenizer);
  return 0;
}
