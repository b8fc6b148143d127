// The heap that every environment begins with.
//
// What starts the interpreter leaves small holes all over its heap. Allocators fill those first, so that whatever a function allocates would
// lie scattered over pages that all environments could share: each a copy of 4096 bytes for a few. So they are filled once, before the
// host's snapshot, and what comes after lies together.
#include <stdint.h>
#include <stdlib.h>

#include "heap.h"

#define WASM_PAGE_BYTES 65536
// What the first allocations find behind the heap, so that small functions do not grow the memory.
#define HEADROOM_BYTES (1u << 20)
// Holes of this size and more are kept: what is allocated in them lies together as well.
#define LARGE_BYTES (32u << 10)
#define LARGE_HOLES_LIMIT 256
#define STEP_BYTES 8

// Where malloc's heap ends and memory begins that was never used; NULL where there is too little memory.
static char *find_top(void) {
  uintptr_t end = (uintptr_t)__builtin_wasm_memory_size(0) * WASM_PAGE_BYTES;
  void *holes[LARGE_HOLES_LIMIT];
  int count = 0;
  char *top = NULL;
  while (count < LARGE_HOLES_LIMIT) {
    char *place = malloc(HEADROOM_BYTES);
    if (!place) break;
    if ((uintptr_t)place + HEADROOM_BYTES > end) {
      top = place;
      break;
    }
    holes[count++] = place;
  }
  while (count) free(holes[--count]);
  free(top);
  return top;
}

// What malloc gives of this size below `top`; NULL where it would go beyond.
static void *below(char *top, size_t bytes) {
  char *place = malloc(bytes);
  if (place < top) return place;
  free(place);
  return NULL;
}

void fill_holes(void) {
  char *top = find_top();
  if (!top) return;
  void *large[LARGE_HOLES_LIMIT];
  int count = 0;
  for (size_t bytes = HEADROOM_BYTES / 2; bytes >= LARGE_BYTES; bytes /= 2) {
    while (count < LARGE_HOLES_LIMIT && (large[count] = below(top, bytes))) count++;
  }
  for (size_t bytes = LARGE_BYTES; bytes; bytes -= STEP_BYTES) {
    while (below(top, bytes)) continue;
  }
  while (count) free(large[--count]);
}
