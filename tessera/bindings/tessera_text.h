/*
 * Text to tokens and back, from C. Part of libtessera; compiles as C99 and as C++.
 *
 *   char *error;
 *   tessera_tokenizer *t = tessera_tokenizer_open("tokenizer.json", &error);
 *   if (!t) { fprintf(stderr, "%s\n", error); tessera_free(error); return 1; }
 *   printf("%lld\n", (long long)tessera_count(t, text, strlen(text), 0, &error));
 *   tessera_tokenizer_close(t);
 *
 * Texts    are bytes with a length: any bytes, UTF-8 or not, NUL included.
 * Errors   A function that can fail takes `char **error` last and says how it reports failure.
 *          On failure *error is one line (file, place, what is wrong, what to do), NUL-terminated,
 *          to be given to tessera_free(), or NULL when there was no memory even for that. On
 * success *error is NULL. `error` itself may be NULL. No exception leaves a function, no input ends
 * the program. Threads  A tokenizer never changes: any number of threads may use one. An encoding
 * is for one thread at a time. ABI      Handles are opaque; structures, values and signatures that
 * stand here never change; functions and flags are added, and TESSERA_TEXT_ABI then goes up by one.
 * What is not a known flag is refused. A program that was built with this header runs with every
 * later libtessera of the same soname whose tessera_text_abi() is not less than TESSERA_TEXT_ABI.
 * The ids that a vocabulary's file gives for a text are no part of the ABI: they follow the
 * format's own library.
 */
#ifndef TESSERA_TEXT_H
#define TESSERA_TEXT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TESSERA_TEXT_ABI 1

/* TESSERA_TEXT_ABI of the library that is running. */
int32_t tessera_text_abi(void);
/* "0.1.0"; lives as long as the program. */
const char* tessera_text_version(void);
/* Frees what a function gave and said to free; NULL is nothing. */
void tessera_free(void* pointer);

/* ---- tokenizers */

typedef struct tessera_tokenizer tessera_tokenizer;

/* Opens what `reference` names: a tokenizer file (tokenizer.json, SentencePiece .model), a GGUF
 * file, a model's folder, or the short name of an installed model. NULL on failure. */
tessera_tokenizer* tessera_tokenizer_open(const char* reference, char** error);
/* Reads a tokenizer.json that lies in memory, which is not needed afterwards. NULL on failure. */
tessera_tokenizer* tessera_tokenizer_parse(const char* json, size_t bytes, char** error);
/* NULL is nothing. */
void tessera_tokenizer_close(tessera_tokenizer* tokenizer);

/* ---- text to ids */

/* Flags of encode and count; 0: with the template, control tokens stay text. */
#define TESSERA_NO_TEMPLATE 1u     /* no BOS, [CLS] .. [SEP], or what else the file puts around */
#define TESSERA_SPECIAL_IN_TEXT 2u /* control tokens that the text spells become control ids */
#define TESSERA_FILE_LENGTHS 4u    /* cut and fill up as the file's truncation and padding say */
#define TESSERA_SPANS 8u           /* remember where each token lies; encode only, and slower */

/* Half-open range of bytes of the text; empty for a token that a template put in. */
typedef struct {
  int64_t begin, end;
} tessera_span;

/* Holds the ids of one text; made once, used again and again, keeps its memory. */
typedef struct tessera_encoding tessera_encoding;

/* NULL when there is no memory. */
tessera_encoding* tessera_encoding_new(void);
/* NULL is nothing. */
void tessera_encoding_free(tessera_encoding* encoding);
/* Number of tokens. */
size_t tessera_encoding_size(const tessera_encoding* encoding);
/* As many as the size says; valid until the encoding is used again or freed. */
const int32_t* tessera_encoding_ids(const tessera_encoding* encoding);
/* The same for spans; NULL when TESSERA_SPANS was not given. */
const tessera_span* tessera_encoding_spans(const tessera_encoding* encoding);

/* Puts the ids of a text into `encoding`. 0; -1 on failure, after which the encoding is empty. */
int32_t tessera_encode(const tessera_tokenizer* tokenizer, const char* text, size_t bytes,
                       uint32_t flags, tessera_encoding* encoding, char** error);
/* The number of ids of a text; -1 on failure. */
int64_t tessera_count(const tessera_tokenizer* tokenizer, const char* text, size_t bytes,
                      uint32_t flags, char** error);

/* ---- ids to text */

/* Flags of decode. */
#define TESSERA_KEEP_CONTROL 1u /* control tokens give the text of their name, not nothing */

/* The bytes that ids stand for, *bytes of them and a NUL behind, to be given to tessera_free().
 * NULL on failure: an id that is none. */
char* tessera_decode(const tessera_tokenizer* tokenizer, const int32_t* ids, size_t count,
                     uint32_t flags, size_t* bytes, char** error);

/* ---- the vocabulary; ids are 0 .. size - 1 */

int64_t tessera_vocabulary_size(const tessera_tokenizer* tokenizer);
/* The id of a token as its file writes it; -1 when there is none. */
int32_t tessera_token_id(const tessera_tokenizer* tokenizer, const char* piece, size_t bytes);
/* A token as its file writes it, and the bytes that it adds to a text: *bytes of them, no NUL
 * behind, alive as long as the tokenizer. NULL for an id that is none. */
const char* tessera_token_piece(const tessera_tokenizer* tokenizer, int32_t id, size_t* bytes);
const char* tessera_token_bytes(const tessera_tokenizer* tokenizer, int32_t id, size_t* bytes);
/* Ids that begin and end a text; -1 when the file names none. */
int32_t tessera_bos(const tessera_tokenizer* tokenizer);
int32_t tessera_eos(const tessera_tokenizer* tokenizer);

#ifdef __cplusplus
}
#endif

#endif
