/* The commands of slipway-lab. Each is a function with its own arguments; the table in main.c is
 * the only place that knows all of them. */
#pragma once

/* Exit codes: 0 the experiment held, 1 it found a failure, 2 it was called wrongly. */
#define LAB_HELD   0
#define LAB_FAILED 1
#define LAB_USAGE  2

struct lab_command {
    const char *name;
    const char *summary;               /* one line */
    int (*run)(int argc, char **argv); /* argv[0] is the command's name */
};

int lab_powercut(int argc, char **argv);
int lab_load(int argc, char **argv);
int lab_stolen(int argc, char **argv);
int lab_seal(int argc, char **argv);
int lab_judge(int argc, char **argv);
int lab_risk(int argc, char **argv);
