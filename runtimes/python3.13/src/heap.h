// Fills the small holes of the heap for ever. Part of the interpreter's start, when nothing is to be freed any more.
void fill_holes(void);
