/*
 * A PKCS#11 module with real SM2 keys, for the tests: no package that can be had has one.
 *
 * It keeps its state in the directory that it stands in, one file a key, and obeys files there:
 *
 *   pin         the user PIN (default 123456); three wrong ones lock it
 *   failures    wrong PINs since the last right one, as many bytes
 *   logins      every PIN that was tried, as many bytes: the tests count them
 *   removed     the token is not in its slot; sessions end
 *   no-login    keys are open without a PIN
 *   keypad      the PIN is asked for by the token itself (and is right)
 *   each-time   private keys want the PIN before every signature
 *   no-point    public keys show no point;  point-raw, point-bare, point-bits: other encodings
 *   no-public   there are no public key objects;  p256: keys say they are on another curve
 *   twin        a second token of the same label in another slot
 *   flip        one bit of every signature is wrong;  long: signatures are a byte too long
 *   hang        C_Sign does not return while the file is there
 *   only        numbers of the mechanisms, in hex, one a line; without it all
 *
 * Signing mechanisms are the numbers 0x80008100 to 0x80008105, see tokens/profile.py.
 * libcrypto is opened at run time, so its headers are not needed to compile this.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef unsigned long U;
typedef unsigned char B;
typedef struct { B major, minor; } Version;
typedef struct { U type; void *value; U size; } Attribute;
typedef struct { U mechanism; void *parameter; U size; } Mechanism;
typedef struct {
  B label[32], manufacturer[32], model[16], serial[16];
  U flags, numbers[10];
  Version hardware, firmware;
  B time[16];
} TokenInfo;
typedef struct { B description[64], manufacturer[32]; U flags; Version hardware, firmware; } SlotInfo;
typedef struct { Version version; B manufacturer[32]; U flags; B description[32]; Version library; } Info;
typedef struct { U minimum, maximum, flags; } MechanismInfo;

enum {
  OK = 0, SLOT_ID_INVALID = 3, GENERAL_ERROR = 5, ARGUMENTS_BAD = 7, ATTRIBUTE_SENSITIVE = 0x11,
  ATTRIBUTE_TYPE_INVALID = 0x12, DATA_LEN_RANGE = 0x21, DEVICE_REMOVED = 0x32,
  FUNCTION_NOT_SUPPORTED = 0x54, KEY_HANDLE_INVALID = 0x60, KEY_TYPE_INCONSISTENT = 0x63,
  MECHANISM_INVALID = 0x70, OBJECT_HANDLE_INVALID = 0x82, OPERATION_ACTIVE = 0x90,
  OPERATION_NOT_INITIALIZED = 0x91, PIN_INCORRECT = 0xA0, PIN_LOCKED = 0xA4,
  SESSION_HANDLE_INVALID = 0xB3, SESSION_READ_ONLY = 0xB5, TEMPLATE_INCONSISTENT = 0xD1,
  TOKEN_NOT_PRESENT = 0xE0, USER_ALREADY_LOGGED_IN = 0x100, USER_NOT_LOGGED_IN = 0x101,
  BUFFER_TOO_SMALL = 0x150, NOT_INITIALIZED = 0x190, ALREADY_INITIALIZED = 0x191
};
enum {
  CLASS = 0, TOKEN = 1, PRIVATE = 2, LABEL = 3, KEY_TYPE = 0x100, ID = 0x102, SENSITIVE = 0x103,
  SIGN = 0x108, VALUE = 0x11, EXTRACTABLE = 0x162, EC_PARAMS = 0x180, EC_POINT = 0x181,
  ALWAYS_AUTHENTICATE = 0x202
};
#define KEY_TYPE_SM2 0x80000004UL
#define GENERATE 0x80008001UL
#define FIRST_SIGN 0x80008100UL
#define LAST_SIGN 0x80008105UL
#define MAX_TRIES 3

/* libcrypto, by hand */
static void *(*ctx_from_name)(void *, const char *, const char *);
static void *(*ctx_from_pkey)(void *, void *, void *);
static void (*ctx_free)(void *);
static int (*fromdata_init)(void *), (*keygen_init)(void *), (*sign_init)(void *);
static int (*fromdata)(void *, void **, int, void *);
static int (*generate)(void *, void **);
static int (*pkey_sign)(void *, B *, size_t *, const B *, size_t);
static void (*pkey_free)(void *);
static int (*get_bn)(void *, const char *, void **);
static int (*get_octets)(void *, const char *, B *, size_t, size_t *);
static int (*bn2bin)(void *, B *, int);
static void (*bn_free)(void *);
static int (*digest)(void *, const char *, const char *, const void *, size_t, B *, size_t *);
typedef struct { const char *key; unsigned type; void *data; size_t size, returned; } Param;

static int load_libcrypto(void) {
  void *library = dlopen("libcrypto.so.3", RTLD_NOW | RTLD_LOCAL);
  if (!library) library = dlopen("libcrypto.so.4", RTLD_NOW | RTLD_LOCAL);
  if (!library) return 0;
  return (ctx_from_name = dlsym(library, "EVP_PKEY_CTX_new_from_name")) &&
         (ctx_from_pkey = dlsym(library, "EVP_PKEY_CTX_new_from_pkey")) &&
         (ctx_free = dlsym(library, "EVP_PKEY_CTX_free")) &&
         (fromdata_init = dlsym(library, "EVP_PKEY_fromdata_init")) &&
         (fromdata = dlsym(library, "EVP_PKEY_fromdata")) &&
         (keygen_init = dlsym(library, "EVP_PKEY_keygen_init")) &&
         (generate = dlsym(library, "EVP_PKEY_generate")) &&
         (sign_init = dlsym(library, "EVP_PKEY_sign_init")) &&
         (pkey_sign = dlsym(library, "EVP_PKEY_sign")) &&
         (pkey_free = dlsym(library, "EVP_PKEY_free")) &&
         (get_bn = dlsym(library, "EVP_PKEY_get_bn_param")) &&
         (get_octets = dlsym(library, "EVP_PKEY_get_octet_string_param")) &&
         (bn2bin = dlsym(library, "BN_bn2binpad")) && (bn_free = dlsym(library, "BN_clear_free")) &&
         (digest = dlsym(library, "EVP_Q_digest"));
}

/* state */
typedef struct { char label[64]; B id[64]; U id_size; B d[32], point[65]; } Key;
#define MAX_KEYS 64
static Key keys[MAX_KEYS];
static U key_count;
typedef struct {
  int open, writable, searching, signing, confirmed;
  U found[2 * MAX_KEYS], found_count, found_next, mechanism, key;
} Session;
#define MAX_SESSIONS 64
static Session sessions[MAX_SESSIONS];
static int initialized, logged_in;
static char directory[4096];

static int path_of(char *path, const char *name) {
  return snprintf(path, 4200, "%s/%s", directory, name) < 4200;
}

static int has(const char *name) {
  char path[4200];
  return path_of(path, name) && access(path, F_OK) == 0;
}

static long size_of(const char *name) {
  char path[4200];
  struct stat status;
  path_of(path, name);
  return stat(path, &status) ? 0 : (long)status.st_size;
}

static void append(const char *name) {
  char path[4200];
  path_of(path, name);
  FILE *file = fopen(path, "a");
  if (file) { fputc('x', file); fclose(file); }
}

static void forget(const char *name) {
  char path[4200];
  path_of(path, name);
  unlink(path);
}

static int hex(const char *text, B *out, U limit) {
  U count = 0;
  unsigned byte;
  while (count < limit && sscanf(text + 2 * count, "%2x", &byte) == 1) out[count++] = (B)byte;
  return (int)count;
}

static void load_keys(void) {
  DIR *folder = opendir(directory);
  struct dirent *entry;
  key_count = 0;
  while (folder && (entry = readdir(folder)) && key_count < MAX_KEYS) {
    char path[4200], label[64], id[129], d[65], point[131];
    if (strncmp(entry->d_name, "key-", 4)) continue;
    path_of(path, entry->d_name);
    FILE *file = fopen(path, "r");
    if (file && fscanf(file, "%63s %128s %64s %130s", label, id, d, point) == 4) {
      Key *key = &keys[key_count++];
      strcpy(key->label, label);
      key->id_size = (U)hex(strcmp(id, "-") ? id : "", key->id, 64);
      hex(d, key->d, 32);
      hex(point, key->point, 65);
    }
    if (file) fclose(file);
  }
  if (folder) closedir(folder);
}

static void pad(B *field, U size, const char *text) {
  memset(field, ' ', size);
  memcpy(field, text, strlen(text));
}

static U check_session(U handle) {
  if (!initialized) return NOT_INITIALIZED;
  if (has("removed")) {
    memset(sessions, 0, sizeof sessions);
    logged_in = 0;
    return DEVICE_REMOVED;
  }
  return handle >= 1 && handle <= MAX_SESSIONS && sessions[handle - 1].open ? OK
                                                                           : SESSION_HANDLE_INVALID;
}
#define SESSION(handle) \
  U bad_ = check_session(handle); \
  if (bad_) return bad_; \
  Session *session = &sessions[(handle) - 1]; \
  (void)session

static U C_Initialize(void *arguments) {
  Dl_info where;
  (void)arguments;
  if (initialized) return ALREADY_INITIALIZED;
  if (!dladdr((void *)&load_libcrypto, &where) || !load_libcrypto()) return GENERAL_ERROR;
  snprintf(directory, sizeof directory, "%s", where.dli_fname);
  char *slash = strrchr(directory, '/');
  if (slash) *slash = 0;
  initialized = 1;
  return OK;
}

static U C_Finalize(void *reserved) {
  (void)reserved;
  if (!initialized) return NOT_INITIALIZED;
  memset(sessions, 0, sizeof sessions);
  initialized = logged_in = 0;
  return OK;
}

static U C_GetInfo(Info *info) {
  memset(info, 0, sizeof *info);
  info->version.major = 2;
  info->version.minor = 40;
  pad(info->manufacturer, 32, "sanlian tests");
  pad(info->description, 32, "SM2 test token");
  return OK;
}

static U C_GetSlotList(B present, U *list, U *count) {
  if (!initialized) return NOT_INITIALIZED;
  (void)present;
  U slots = has("removed") ? 0 : has("twin") ? 2 : 1;
  if (list && *count < slots) return BUFFER_TOO_SMALL;
  if (list) for (U i = 0; i < slots; i++) list[i] = 7 + i;
  *count = slots;
  return OK;
}

static U C_GetSlotInfo(U slot, SlotInfo *info) {
  (void)slot;
  memset(info, 0, sizeof *info);
  return OK;
}

static U C_GetTokenInfo(U slot, TokenInfo *info) {
  char serial[17];
  if (has("removed")) return TOKEN_NOT_PRESENT;
  if (slot < 7 || slot > 8) return SLOT_ID_INVALID;
  memset(info, 0, sizeof *info);
  pad(info->label, 32, "ministry");
  pad(info->manufacturer, 32, "sanlian tests");
  pad(info->model, 16, "SM2");
  snprintf(serial, sizeof serial, "%04lu", slot);
  pad(info->serial, 16, serial);
  long failures = size_of("failures");
  info->flags = 0x408 | (has("no-login") ? 0 : 4) | (has("keypad") ? 0x100 : 0) |
                (failures ? 0x10000 : 0) | (failures == MAX_TRIES - 1 ? 0x20000 : 0) |
                (failures >= MAX_TRIES ? 0x40000 : 0);
  return OK;
}

static int offers(U mechanism) {
  if (mechanism != GENERATE && (mechanism < FIRST_SIGN || mechanism > LAST_SIGN)) return 0;
  if (!has("only")) return 1;
  char path[4200];
  unsigned long one;
  int found = 0;
  path_of(path, "only");
  FILE *file = fopen(path, "r");
  while (file && fscanf(file, "%lx", &one) == 1) found |= one == mechanism;
  if (file) fclose(file);
  return found;
}

static U C_GetMechanismList(U slot, U *list, U *count) {
  U found[16], total = 0;
  if (has("removed")) return TOKEN_NOT_PRESENT;
  if (slot < 7 || slot > 8) return SLOT_ID_INVALID;
  if (offers(GENERATE)) found[total++] = GENERATE;
  for (U one = FIRST_SIGN; one <= LAST_SIGN; one++) if (offers(one)) found[total++] = one;
  if (list && *count < total) return BUFFER_TOO_SMALL;
  if (list) memcpy(list, found, total * sizeof *list);
  *count = total;
  return OK;
}

static U C_GetMechanismInfo(U slot, U mechanism, MechanismInfo *info) {
  (void)slot;
  if (!offers(mechanism)) return MECHANISM_INVALID;
  info->minimum = info->maximum = 256;
  info->flags = mechanism == GENERATE ? 0x10000 : 0x800;
  return OK;
}

static U C_OpenSession(U slot, U flags, void *application, void *notify, U *handle) {
  (void)application;
  (void)notify;
  if (!initialized) return NOT_INITIALIZED;
  if (has("removed")) return TOKEN_NOT_PRESENT;
  if (slot < 7 || slot > 8) return SLOT_ID_INVALID;
  int first = 1;
  for (U i = 0; i < MAX_SESSIONS; i++) if (sessions[i].open) first = 0;
  if (first) load_keys(); /* later ones keep the handles of the earlier */
  for (U i = 0; i < MAX_SESSIONS; i++)
    if (!sessions[i].open) {
      memset(&sessions[i], 0, sizeof sessions[i]);
      sessions[i].open = 1;
      sessions[i].writable = (flags & 2) != 0;
      *handle = i + 1;
      return OK;
    }
  return GENERAL_ERROR;
}

static U C_CloseSession(U handle) {
  SESSION(handle);
  session->open = 0;
  for (U i = 0; i < MAX_SESSIONS; i++) if (sessions[i].open) return OK;
  logged_in = 0; /* with the last session ends the login */
  return OK;
}

static U C_Login(U handle, U user, B *pin, U size) {
  SESSION(handle);
  char path[4200], right[64] = "123456";
  if (user == 1 && logged_in) return USER_ALREADY_LOGGED_IN;
  if (user == 2 && !session->signing) return OPERATION_NOT_INITIALIZED;
  append("logins");
  if (size_of("failures") >= MAX_TRIES) return PIN_LOCKED;
  path_of(path, "pin");
  FILE *file = fopen(path, "r");
  if (file) {
    if (fscanf(file, "%63s", right) != 1) right[0] = 0;
    fclose(file);
  }
  if (pin ? size != strlen(right) || memcmp(pin, right, size) : !has("keypad")) {
    append("failures");
    return size_of("failures") >= MAX_TRIES ? PIN_LOCKED : PIN_INCORRECT;
  }
  forget("failures");
  if (user == 1) logged_in = 1; else session->confirmed = 1;
  return OK;
}

static U C_Logout(U handle) {
  SESSION(handle);
  logged_in = 0;
  return OK;
}

/* objects: handle 2k+1 is the private half of key k, 2k+2 the public one */
static int may_see(U handle) {
  return (handle - 1) / 2 < key_count &&
         ((handle & 1) ? logged_in || has("no-login") : !has("no-public"));
}

static U attribute_of(U handle, U type, B *out) {
  Key *key = &keys[(handle - 1) / 2];
  U number = 0;
  int is_private = handle & 1;
  switch (type) {
    case CLASS: number = is_private ? 3 : 2; memcpy(out, &number, sizeof number); return sizeof number;
    case KEY_TYPE: number = KEY_TYPE_SM2; memcpy(out, &number, sizeof number); return sizeof number;
    case LABEL: memcpy(out, key->label, strlen(key->label)); return strlen(key->label);
    case ID: memcpy(out, key->id, key->id_size); return key->id_size;
    case TOKEN: case SIGN: case SENSITIVE: *out = 1; return 1;
    case EXTRACTABLE: *out = 0; return 1;
    case PRIVATE: *out = (B)is_private; return 1;
    case ALWAYS_AUTHENTICATE: *out = (B)has("each-time"); return 1;
    case EC_PARAMS:
      if (has("p256")) { memcpy(out, "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", 10); return 10; }
      memcpy(out, "\x06\x08\x2a\x81\x1c\xcf\x55\x01\x82\x2d", 10);
      return 10;
    case EC_POINT:
      if (has("no-point") || (is_private && !has("no-public"))) return (U)-1;
      if (has("point-raw")) { memcpy(out, key->point, 65); return 65; }
      if (has("point-bare")) { memcpy(out, key->point + 1, 64); return 64; }
      if (has("point-bits")) { memcpy(out, "\x03\x42\x00", 3); memcpy(out + 3, key->point, 65); return 68; }
      memcpy(out, "\x04\x41", 2);
      memcpy(out + 2, key->point, 65);
      return 67;
    default: return (U)-1;
  }
}

static U C_GetAttributeValue(U handle, U object, Attribute *attributes, U count) {
  SESSION(handle);
  U result = OK;
  if (!object || !may_see(object)) return OBJECT_HANDLE_INVALID;
  for (U i = 0; i < count; i++) {
    B value[256];
    U size = attributes[i].type == VALUE ? (U)-1 : attribute_of(object, attributes[i].type, value);
    if (size == (U)-1) {
      result = attributes[i].type == VALUE ? ATTRIBUTE_SENSITIVE : ATTRIBUTE_TYPE_INVALID;
    } else if (attributes[i].value && attributes[i].size < size) {
      result = BUFFER_TOO_SMALL;
      size = (U)-1;
    } else if (attributes[i].value) {
      memcpy(attributes[i].value, value, size);
    }
    attributes[i].size = size;
  }
  return result;
}

static U C_FindObjectsInit(U handle, Attribute *template, U count) {
  SESSION(handle);
  if (session->searching) return OPERATION_ACTIVE;
  session->found_count = session->found_next = 0;
  for (U object = 1; object <= 2 * key_count; object++) {
    int fits = may_see(object);
    for (U i = 0; fits && i < count; i++) {
      B value[256];
      U size = attribute_of(object, template[i].type, value);
      fits = size == template[i].size && !memcmp(value, template[i].value, size);
    }
    if (fits) session->found[session->found_count++] = object;
  }
  session->searching = 1;
  return OK;
}

static U C_FindObjects(U handle, U *objects, U limit, U *count) {
  SESSION(handle);
  if (!session->searching) return OPERATION_NOT_INITIALIZED;
  for (*count = 0; *count < limit && session->found_next < session->found_count; ++*count)
    objects[*count] = session->found[session->found_next++];
  return OK;
}

static U C_FindObjectsFinal(U handle) {
  SESSION(handle);
  session->searching = 0;
  return OK;
}

static U C_SignInit(U handle, Mechanism *mechanism, U object) {
  SESSION(handle);
  if (session->signing) return OPERATION_ACTIVE;
  if (!(object & 1) || (object - 1) / 2 >= key_count) return KEY_HANDLE_INVALID;
  if (!may_see(object)) return USER_NOT_LOGGED_IN;
  if (!offers(mechanism->mechanism) || mechanism->mechanism == GENERATE) return MECHANISM_INVALID;
  session->signing = 1;
  session->confirmed = 0;
  session->mechanism = mechanism->mechanism;
  session->key = (object - 1) / 2;
  return OK;
}

static const B Z_HEAD[] =
    "\x00\x80" "1234567812345678"
    "\xff\xff\xff\xfe\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
    "\xff\xff\xff\xff\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xfc"
    "\x28\xe9\xfa\x9e\x9d\x9f\x5e\x34\x4d\x5a\x9e\x4b\xcf\x65\x09\xa7"
    "\xf3\x97\x89\xf5\x15\xab\x8f\x92\xdd\xbc\xbd\x41\x4d\x94\x0e\x93"
    "\x32\xc4\xae\x2c\x1f\x19\x81\x19\x5f\x99\x04\x46\x6a\x39\xc9\x94"
    "\x8f\xe3\x0b\xbf\xf2\x66\x0b\xe1\x71\x5a\x45\x89\x33\x4c\x74\xc7"
    "\xbc\x37\x36\xa2\xf4\xf6\x77\x9c\x59\xbd\xce\xe3\x6b\x69\x21\x53"
    "\xd0\xa9\x87\x7c\xc6\x2a\x47\x40\x02\xdf\x32\xe5\x21\x39\xf0\xa0";

static int sm3(const B *data, size_t size, B *out) {
  size_t length = 32;
  return digest(NULL, "SM3", NULL, data, size, out, &length) == 1;
}

static int make_e(Key *key, U mechanism, const B *data, size_t size, B *e) {
  if (mechanism <= FIRST_SIGN + 1) return sm3(data, size, e);
  B *all = malloc(32 + size), head[sizeof Z_HEAD - 1 + 64];
  memcpy(head, Z_HEAD, sizeof Z_HEAD - 1);
  memcpy(head + sizeof Z_HEAD - 1, key->point + 1, 64);
  int done = all && sm3(head, sizeof head, all);
  if (done) {
    memcpy(all + 32, data, size);
    done = sm3(all, 32 + size, e);
  }
  free(all);
  return done;
}

static int sign_e(Key *key, const B *e, B *der, size_t *size) {
  B little[32];
  void *context = ctx_from_name(NULL, "SM2", NULL), *pkey = NULL, *signing = NULL;
  for (int i = 0; i < 32; i++) little[i] = key->d[31 - i];
  Param params[] = {{"group", 4, "SM2", 3, 0}, {"pub", 5, key->point, 65, 0}, {"priv", 2, little, 32, 0}, {0}};
  int done = context && fromdata_init(context) == 1 && fromdata(context, &pkey, 0x87, params) == 1 &&
             (signing = ctx_from_pkey(NULL, pkey, NULL)) && sign_init(signing) == 1 &&
             pkey_sign(signing, der, size, e, 32) == 1;
  if (signing) ctx_free(signing);
  if (pkey) pkey_free(pkey);
  if (context) ctx_free(context);
  return done;
}

static void put_integer(const B *der, B *out) {
  U size = der[1];
  const B *value = der + 2;
  while (size > 32) { value++; size--; }
  memset(out, 0, 32);
  memcpy(out + 32 - size, value, size);
}

static U C_Sign(U handle, B *data, U size, B *signature, U *signature_size) {
  SESSION(handle);
  B e[32], der[80], out[80];
  size_t der_size = sizeof der;
  U out_size;
  if (!session->signing) return OPERATION_NOT_INITIALIZED;
  while (has("hang")) usleep(20000);
  session->signing = 0;
  if (has("each-time") && !session->confirmed) return USER_NOT_LOGGED_IN;
  Key *key = &keys[session->key];
  if (session->mechanism >= FIRST_SIGN + 4) {
    if (size != 32) return DATA_LEN_RANGE;
    memcpy(e, data, 32);
  } else if (!make_e(key, session->mechanism, data, size, e)) {
    return GENERAL_ERROR;
  }
  if (!sign_e(key, e, der, &der_size)) return GENERAL_ERROR;
  U number = session->mechanism - FIRST_SIGN;
  if (number == 1 || number == 3 || number == 4) {
    memcpy(out, der, der_size);
    out_size = der_size;
  } else {
    put_integer(der + 2, out);
    put_integer(der + 4 + der[3], out + 32);
    out_size = 64;
  }
  if (has("flip")) out[out_size - 1] ^= 1;
  if (has("long")) out[out_size++] = 0;
  if (*signature_size < out_size) return BUFFER_TOO_SMALL;
  memcpy(signature, out, out_size);
  *signature_size = out_size;
  return OK;
}

static U C_GenerateKeyPair(U handle, Mechanism *mechanism, Attribute *public, U public_count,
                           Attribute *private, U private_count, U *public_handle, U *private_handle) {
  SESSION(handle);
  Key key = {0};
  void *context, *pkey = NULL, *d = NULL;
  size_t size = 0;
  char path[4200];
  if (mechanism->mechanism != GENERATE || !offers(GENERATE)) return MECHANISM_INVALID;
  if (!session->writable) return SESSION_READ_ONLY;
  if (!logged_in) return USER_NOT_LOGGED_IN;
  if (key_count >= MAX_KEYS) return GENERAL_ERROR;
  for (U i = 0; i < private_count; i++) {
    if (private[i].type == EXTRACTABLE && *(B *)private[i].value) return TEMPLATE_INCONSISTENT;
    if (private[i].type == LABEL && private[i].size < sizeof key.label) memcpy(key.label, private[i].value, private[i].size);
    if (private[i].type == ID && private[i].size <= sizeof key.id) {
      memcpy(key.id, private[i].value, private[i].size);
      key.id_size = private[i].size;
    }
  }
  for (U i = 0; i < public_count; i++)
    if (public[i].type == KEY_TYPE && *(U *)public[i].value != KEY_TYPE_SM2) return TEMPLATE_INCONSISTENT;
  context = ctx_from_name(NULL, "SM2", NULL);
  int done = context && keygen_init(context) == 1 && generate(context, &pkey) == 1 &&
             get_bn(pkey, "priv", &d) == 1 && bn2bin(d, key.d, 32) == 32 &&
             get_octets(pkey, "pub", key.point, 65, &size) == 1 && size == 65;
  if (d) bn_free(d);
  if (pkey) pkey_free(pkey);
  if (context) ctx_free(context);
  if (!done) return GENERAL_ERROR;
  snprintf(path, sizeof path, "%s/key-%lu", directory, key_count);
  FILE *file = fopen(path, "w");
  if (!file) return GENERAL_ERROR;
  fprintf(file, "%s ", key.label);
  for (U i = 0; i < key.id_size; i++) fprintf(file, "%02x", key.id[i]);
  fprintf(file, key.id_size ? " " : "- ");
  for (int i = 0; i < 32; i++) fprintf(file, "%02x", key.d[i]);
  fputc(' ', file);
  for (int i = 0; i < 65; i++) fprintf(file, "%02x", key.point[i]);
  fputc('\n', file);
  fclose(file);
  keys[key_count] = key;
  *private_handle = 2 * key_count + 1;
  *public_handle = 2 * key_count + 2;
  key_count++;
  return OK;
}

static U not_supported(void) { return FUNCTION_NOT_SUPPORTED; }

static struct { Version version; void *functions[68]; } list;

__attribute__((visibility("default"))) U C_GetFunctionList(void **out) {
  list.version.major = 2;
  list.version.minor = 40;
  for (int i = 0; i < 68; i++) list.functions[i] = (void *)not_supported;
  list.functions[0] = (void *)C_Initialize;
  list.functions[1] = (void *)C_Finalize;
  list.functions[2] = (void *)C_GetInfo;
  list.functions[3] = (void *)C_GetFunctionList;
  list.functions[4] = (void *)C_GetSlotList;
  list.functions[5] = (void *)C_GetSlotInfo;
  list.functions[6] = (void *)C_GetTokenInfo;
  list.functions[7] = (void *)C_GetMechanismList;
  list.functions[8] = (void *)C_GetMechanismInfo;
  list.functions[12] = (void *)C_OpenSession;
  list.functions[13] = (void *)C_CloseSession;
  list.functions[18] = (void *)C_Login;
  list.functions[19] = (void *)C_Logout;
  list.functions[24] = (void *)C_GetAttributeValue;
  list.functions[26] = (void *)C_FindObjectsInit;
  list.functions[27] = (void *)C_FindObjects;
  list.functions[28] = (void *)C_FindObjectsFinal;
  list.functions[42] = (void *)C_SignInit;
  list.functions[43] = (void *)C_Sign;
  list.functions[59] = (void *)C_GenerateKeyPair;
  *out = &list;
  return OK;
}
