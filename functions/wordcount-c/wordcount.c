/* Counts lines, words and bytes of a text: a command module in C.
 *
 * Event on stdin, in JSON: {"text": "..."}. Response on stdout: {"lines":L,"words":W,"bytes":B}, counted as `wc`
 * counts them, on the text with its JSON escapes resolved. An event without a "text" string exits with status 1
 * and says so on stderr. The event is read in pieces, so its size is bounded by no buffer. */

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct counts {
    unsigned long lines, words, bytes;
    bool in_word;
};

/* One character of the text, `bytes` long in UTF-8. */
static void count(struct counts *counts, unsigned character, unsigned bytes) {
    bool space = character < 128 && isspace((int)character);
    counts->bytes += bytes;
    counts->lines += character == '\n';
    counts->words += !space && !counts->in_word;
    counts->in_word = !space;
}

/* Four hexadecimal digits, or -1. */
static int hex4(void) {
    int value = 0;
    for (int i = 0; i < 4; i++) {
        int c = getchar();
        if (c == EOF || !isxdigit(c)) return -1;
        value = value * 16 + (isdigit(c) ? c - '0' : tolower(c) - 'a' + 10);
    }
    return value;
}

/* Counts an escape after its backslash; false if it is none that JSON has. */
static bool escape(struct counts *counts) {
    int c = getchar(), unit;
    switch (c) {
    case '"': case '\\': case '/': count(counts, (unsigned)c, 1); return true;
    case 'b': count(counts, '\b', 1); return true;
    case 'f': count(counts, '\f', 1); return true;
    case 'n': count(counts, '\n', 1); return true;
    case 'r': count(counts, '\r', 1); return true;
    case 't': count(counts, '\t', 1); return true;
    case 'u':
        if ((unit = hex4()) < 0) return false;
        /* Each half of a surrogate pair counts for two of its four bytes. */
        count(counts, (unsigned)unit, unit < 0x80 ? 1 : unit < 0x800 || (unit & 0xf800) == 0xd800 ? 2 : 3);
        return true;
    default: return false;
    }
}

/* Reads a string after its opening quote, into `counts` or, where that is NULL, into `name` (cut to `size`). */
static bool string(struct counts *counts, char *name, size_t size) {
    size_t length = 0;
    for (int c; (c = getchar()) != EOF;) {
        if (c == '"') {
            if (name) name[length] = '\0';
            return true;
        }
        if (counts) {
            if (c != '\\') count(counts, (unsigned)c, 1);
            else if (!escape(counts)) return false;
            continue;
        }
        if (c == '\\' && getchar() == EOF) return false;
        if (name && length + 1 < size) name[length++] = (char)c;
    }
    return false;
}

static int skip_space(void) {
    int c;
    do c = getchar(); while (c != EOF && isspace(c));
    return c;
}

int main(void) {
    struct counts counts = {0};
    char name[8];
    int depth = 0;
    for (int c; (c = getchar()) != EOF;) {
        if (c == '{' || c == '[') depth++;
        else if (c == '}' || c == ']') depth--;
        else if (c == '"') {
            if (!string(NULL, name, sizeof name)) break;
            if ((c = skip_space()) != ':') {
                if (c != EOF) ungetc(c, stdin);
                continue;
            }
            if (depth != 1 || strcmp(name, "text") != 0) continue;
            if (skip_space() != '"' || !string(&counts, NULL, 0)) break;
            printf("{\"lines\":%lu,\"words\":%lu,\"bytes\":%lu}", counts.lines, counts.words, counts.bytes);
            return fflush(stdout) == 0 ? 0 : 1;
        }
    }
    fputs("the event is not {\"text\": \"...\"}\n", stderr);
    return 1;
}
