// Local time. wasi-libc knows UTC only: its localtime_r, mktime and strftime ask the functions below, which are given here with the
// same signatures over TZ and the zone files of /var/runtime/share/zoneinfo (TZif, RFC 9636; POSIX TZ strings, IEEE Std 1003.1 8.3).
#include <ctype.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ZONES "/var/runtime/share/zoneinfo/"
#define DAY 86400
#define MOST_BYTES (1 << 20)
#define LONGEST_NAME 63

const char __utc[] = "UTC";

struct kind {
  int32_t offset;
  int isdst;
  const char *name;
};

// When a rule of a POSIX string changes: `form` is 'M' (month, week, day), 'J' (1..365, no leap day) or 'n' (0..365).
struct change {
  char form;
  int month, week, day;
  int32_t time;
};

struct posix {
  int given, has_dst;
  struct kind std, dst;
  struct change start, end;
  char names[2][LONGEST_NAME + 1];
};

static struct {
  char *setting;
  unsigned char *file;
  const unsigned char *times, *indexes, *kinds;
  const char *names;
  uint32_t count, kind_count;
  struct posix rule;
} zone;

static int64_t big(const unsigned char *p, int len) {
  uint64_t value = 0;
  for (int i = 0; i < len; i++) value = value << 8 | p[i];
  return len == 4 ? (int64_t)(int32_t)value : (int64_t)value;
}

// ---- POSIX strings

static int number(const char **s, int *value) {
  if (!isdigit((unsigned char)**s)) return 0;
  for (*value = 0; isdigit((unsigned char)**s) && *value < 100000; ++*s) *value = *value * 10 + (**s - '0');
  return 1;
}

static int hms(const char **s, int32_t *seconds) {
  int sign = **s == '-' ? -1 : 1, part;
  if (**s == '-' || **s == '+') ++*s;
  if (!number(s, &part)) return 0;
  *seconds = part * 3600;
  for (int unit = 60; unit && **s == ':'; unit /= 60) {
    ++*s;
    if (!number(s, &part)) return 0;
    *seconds += part * unit;
  }
  *seconds *= sign;
  return 1;
}

static int name(const char **s, char *into) {
  const char *from = *s;
  size_t len = 0;
  if (*from == '<') {
    for (from++; from[len] && from[len] != '>'; len++) {}
    if (from[len] != '>') return 0;
    *s = from + len + 1;
  } else {
    for (; isalpha((unsigned char)from[len]); len++) {}
    *s = from + len;
  }
  if (len < 3 || len > LONGEST_NAME) return 0;
  memcpy(into, from, len);
  into[len] = 0;
  return 1;
}

static int change(const char **s, struct change *c) {
  c->form = 'n';
  if (**s == 'M' || **s == 'J') c->form = *(*s)++;
  if (c->form == 'M') {
    if (!number(s, &c->month) || *(*s)++ != '.' || !number(s, &c->week) || *(*s)++ != '.' || !number(s, &c->day)) return 0;
    if (c->month < 1 || c->month > 12 || c->week < 1 || c->week > 5 || c->day > 6) return 0;
  } else if (!number(s, &c->day)) {
    return 0;
  }
  c->time = 7200;
  if (**s != '/') return 1;
  ++*s;
  return hms(s, &c->time);
}

static int posix(const char *s, struct posix *p) {
  memset(p, 0, sizeof *p);
  if (!name(&s, p->names[0]) || !hms(&s, &p->std.offset)) return 0;
  p->std.offset = -p->std.offset;
  p->std.name = p->names[0];
  p->given = 1;
  if (!*s) return 1;
  if (!name(&s, p->names[1])) return 0;
  p->has_dst = 1;
  p->dst = (struct kind){p->std.offset + 3600, 1, p->names[1]};
  if (*s && *s != ',') {
    if (!hms(&s, &p->dst.offset)) return 0;
    p->dst.offset = -p->dst.offset;
  }
  if (!*s) s = ",M3.2.0,M11.1.0";
  return *s++ == ',' && change(&s, &p->start) && *s++ == ',' && change(&s, &p->end) && !*s;
}

static int leap(int64_t year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

// Days from 1970-01-01 to the first of January of `year`.
static int64_t days_before(int64_t year) {
  int64_t y = year - 1;
  int64_t fours = y >= 0 ? y / 4 : -((3 - y) / 4), hundreds = y >= 0 ? y / 100 : -((99 - y) / 100);
  int64_t four_hundreds = y >= 0 ? y / 400 : -((399 - y) / 400);
  return 365 * (year - 1970) + (fours - 492) - (hundreds - 19) + (four_hundreds - 4);
}

// Seconds of local time since 1970 at which `c` happens in `year`.
static int64_t change_at(const struct change *c, int64_t year) {
  static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
  int64_t first = days_before(year), day;
  if (c->form == 'J') {
    day = first + c->day - 1 + (leap(year) && c->day >= 60);
  } else if (c->form == 'n') {
    day = first + c->day;
  } else {
    int64_t month = first + before[c->month - 1] + (c->month > 2 && leap(year));
    int length = before[c->month] - before[c->month - 1] + (c->month == 2 && leap(year));
    int weekday = (int)(((month + 4) % 7 + 7) % 7);
    int in_month = (c->day - weekday + 7) % 7 + 7 * (c->week - 1);
    while (in_month >= length) in_month -= 7;
    day = month + in_month;
  }
  return day * DAY + c->time;
}

static struct kind by_rule(const struct posix *p, int64_t t) {
  if (!p->has_dst) return p->std;
  int64_t local = t + p->std.offset, day = (local >= 0 ? local : local - DAY + 1) / DAY;
  int64_t year = 1970 + day / 366 - (day < 0);
  while (days_before(year + 1) <= day) year++;
  while (days_before(year) > day) year--;
  int64_t start = change_at(&p->start, year) - p->std.offset, end = change_at(&p->end, year) - p->dst.offset;
  int dst = start < end ? t >= start && t < end : t >= start || t < end;
  return dst ? p->dst : p->std;
}

// ---- TZif files

static unsigned char *read_file(const char *path, size_t *len) {
  struct stat st;
  int fd = open(path, O_RDONLY);
  if (fd < 0) return NULL;
  unsigned char *data = NULL;
  if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 && st.st_size < MOST_BYTES) {
    *len = (size_t)st.st_size;
    data = malloc(*len + 1);
    size_t got = 0;
    while (data && got < *len) {
      ssize_t n = read(fd, data + got, *len - got);
      if (n <= 0) break;
      got += (size_t)n;
    }
    if (data && got < *len) {
      free(data);
      data = NULL;
    }
    if (data) data[*len] = 0;
  }
  close(fd);
  return data;
}

struct header {
  uint32_t isut, isstd, leap, time, type, chars;
};

static int header(const unsigned char *p, const unsigned char *end, struct header *h) {
  if (end - p < 44 || memcmp(p, "TZif", 4) != 0) return 0;
  uint32_t *fields[] = {&h->isut, &h->isstd, &h->leap, &h->time, &h->type, &h->chars};
  for (int i = 0; i < 6; i++) {
    int64_t value = big(p + 20 + 4 * i, 4);
    if (value < 0 || value > MOST_BYTES) return 0;
    *fields[i] = (uint32_t)value;
  }
  return h->type > 0 && h->type <= 256 && h->chars > 0;
}

static size_t block(const struct header *h, size_t width) {
  return h->time * (width + 1) + h->type * 6 + h->chars + h->leap * (width + 4) + h->isstd + h->isut;
}

// Takes `data`, or refuses it. Only 64-bit data (version 2 and later) is read: no zone file of today is without.
static int take_file(unsigned char *data, size_t len) {
  struct header h;
  const unsigned char *p = data, *end = data + len;
  if (!header(p, end, &h) || data[4] < '2') return 0;
  if ((size_t)(end - p) < 44 + block(&h, 4) + 44) return 0;
  p += 44 + block(&h, 4);
  if (!header(p, end, &h)) return 0;
  p += 44;
  if ((size_t)(end - p) < block(&h, 8)) return 0;
  zone.times = p;
  zone.indexes = p + 8 * h.time;
  zone.kinds = zone.indexes + h.time;
  zone.names = (const char *)zone.kinds + 6 * h.type;
  if (zone.names[h.chars - 1] != 0) return 0;
  for (uint32_t i = 0; i < h.time; i++)
    if (zone.indexes[i] >= h.type) return 0;
  for (uint32_t i = 0; i < h.type; i++)
    if (zone.kinds[6 * i + 5] >= h.chars) return 0;
  zone.count = h.time;
  zone.kind_count = h.type;
  zone.file = data;
  p += block(&h, 8);
  if (p < end && *p == '\n') {
    char *footer = (char *)data + (p + 1 - data), *stop = strchr(footer, '\n');
    if (stop) *stop = 0;
    if (!posix(footer, &zone.rule)) zone.rule.given = 0;
  }
  return 1;
}

static void forget(void) {
  free(zone.setting);
  free(zone.file);
  memset(&zone, 0, sizeof zone);
}

static void set(const char *setting) {
  forget();
  zone.setting = strdup(setting);
  const char *what = *setting == ':' ? setting + 1 : setting;
  if (!*what) return;
  char path[256];
  size_t len;
  if (strlen(what) < sizeof path - sizeof ZONES && !strstr(what, "..")) {
    strcpy(path, *what == '/' ? "" : ZONES);
    strcat(path, what);
    unsigned char *data = read_file(path, &len);
    if (data && take_file(data, len)) return;
    free(data);
    zone.file = NULL;
  }
  if (!posix(what, &zone.rule)) zone.rule.given = 0;
}

void tzset(void) {
  const char *setting = getenv("TZ");
  if (!setting) setting = "";
  if (!zone.setting || strcmp(zone.setting, setting) != 0) set(setting);
}

// ---- Questions

static struct kind kind_of(uint32_t index) {
  const unsigned char *p = zone.kinds + 6 * index;
  return (struct kind){(int32_t)big(p, 4), p[4], zone.names + p[5]};
}

static struct kind at(int64_t t) {
  if (zone.file && zone.count && (t < big(zone.times + 8 * (zone.count - 1), 8) || !zone.rule.given)) {
    uint32_t low = 0, high = zone.count;
    while (low < high) {
      uint32_t middle = low + (high - low) / 2;
      if (big(zone.times + 8 * middle, 8) <= t) low = middle + 1;
      else high = middle;
    }
    return kind_of(low ? zone.indexes[low - 1] : 0);
  }
  if (zone.rule.given) return by_rule(&zone.rule, t);
  return zone.file ? kind_of(0) : (struct kind){0, 0, __utc};
}

// The offset of the other of standard and summer time around `t`, for mktime's tm_isdst.
static int32_t other_offset(int64_t t, struct kind here) {
  for (int half = 1; half <= 4; half++) {
    for (int sign = -1; sign <= 1; sign += 2) {
      struct kind there = at(t + (int64_t)sign * half * 91 * DAY);
      if (there.isdst != here.isdst) return there.offset;
    }
  }
  return here.offset;
}

void __secs_to_zone(long long t, int local, int *isdst, int *offset, long *oppoff, const char **zonename) {
  tzset();
  struct kind here;
  if (local) {
    struct kind before = at(t - DAY), after = at(t + DAY);
    here = at(t - before.offset);
    // An hour that happens twice means its first time; one that does not happen is told by the offset before it.
    if (here.offset != before.offset) {
      here = at(t - after.offset);
      if (here.offset != after.offset) here = before;
    }
  } else {
    here = at(t);
  }
  *isdst = here.isdst;
  *offset = here.offset;
  if (oppoff) *oppoff = other_offset(local ? t - here.offset : t, here);
  if (zonename) *zonename = here.name;
}

const char *__tm_to_tzname(const struct tm *tm) { return tm->tm_zone ? tm->tm_zone : ""; }
