#include "io/fault.h"

int (*io_fault)(enum io_step step);
