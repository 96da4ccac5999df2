/* The boot command line: the image's name, then words of the form name=value. */
#include "guest.h"

extern u32 boot_information;

static const char *command_line(void) {
  const u32 *information = (const u32 *)(uptr)boot_information;
  return information[0] & 4 ? (const char *)(uptr)information[4] : "";
}

/* The word after the one at `word`; the first of all is the image's name and never asked for. */
static const char *next_word(const char *word) {
  while (*word && *word != ' ') word++;
  while (*word == ' ') word++;
  return word;
}

static int name_matches(const char *word, const char *name) {
  while (*name && *word == *name) word++, name++;
  return !*name && *word == '=';
}

int equal_text(const char *a, const char *b) {
  while (*a && *a == *b) a++, b++;
  return *a == *b;
}

static const char *value_of(const char *name) {
  for (const char *word = next_word(command_line()); *word; word = next_word(word)) {
    if (!name_matches(word, name)) continue;
    while (*word != '=') word++;
    return word + 1;
  }
  return 0;
}

static int ends(char c) { return c == 0 || c == ' '; }

int has_argument(const char *name) { return value_of(name) != 0; }

int argument_is(const char *name, const char *wanted) {
  const char *value = value_of(name);
  if (!value) return 0;
  while (*wanted && *value == *wanted) value++, wanted++;
  return !*wanted && ends(*value);
}

static int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 99;
}

u64 number_argument(const char *name, u64 otherwise) {
  const char *at = value_of(name);
  if (!at) return otherwise;
  int base = 10, digits = 0;
  u64 value = 0;
  if (at[0] == '0' && at[1] == 'x') base = 16, at += 2;
  for (; digit_of(*at) < base && digits < 16; at++, digits++) value = value * base + digit_of(*at);
  if (*at == 'k') value <<= 10, at++;
  else if (*at == 'm') value <<= 20, at++;
  else if (*at == 'g') value <<= 30, at++;
  if (digits == 0 || !ends(*at)) {
    put_text(name);
    refuse("= takes a number, decimal or 0x…, with k, m or g behind if you like");
  }
  return value;
}

void allow_arguments(const char *const *names) {
  for (const char *word = next_word(command_line()); *word; word = next_word(word)) {
    int known = name_matches(word, "mode");
    for (int i = 0; names[i] && !known; i++) known = name_matches(word, names[i]);
    if (known) continue;
    put_text("unknown argument ");
    while (!ends(*word)) put_character(*word++);
    put_text("; known are mode=");
    for (int i = 0; names[i]; i++) put_text(" "), put_text(names[i]), put_text("=");
    put_character('\n');
    guest_exit(EXIT_BAD_ARGUMENT);
  }
}

void refuse(const char *sentence) {
  put_line(sentence);
  guest_exit(EXIT_BAD_ARGUMENT);
}
