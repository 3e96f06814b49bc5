// Tkrzw's HashDBM over a mapped file, called directly instead of through its C interface, which
// allocates each value that is read.

#include <tkrzw_dbm_hash.h>
#include <tkrzw_file_mmap.h>

#include <cstring>
#include <memory>

#include "shim.h"

namespace {

thread_local std::string last_error;

struct Handle {
    tkrzw::HashDBM dbm;
    bool sync;

    Handle() : dbm(std::make_unique<tkrzw::MemoryMapParallelFile>()), sync(false) {}
};

int64_t result(const tkrzw::Status &status) {
    if (status == tkrzw::Status::SUCCESS) return 0;
    if (status == tkrzw::Status::NOT_FOUND_ERROR) return SHIM_NOT_FOUND;
    last_error = tkrzw::ToString(status);
    return SHIM_FAILED;
}

// After a write: on the device if that was asked for.
int64_t written(Handle *handle, const tkrzw::Status &status) {
    if (status != tkrzw::Status::SUCCESS || !handle->sync) return result(status);
    return result(handle->dbm.Synchronize(true));
}

class CopyOut final : public tkrzw::DBM::RecordProcessor {
   public:
    CopyOut(char *buf, size_t buf_len) : buf_(buf), buf_len_(buf_len) {}

    std::string_view ProcessFull(std::string_view, std::string_view value) override {
        if (value.size() <= buf_len_) memcpy(buf_, value.data(), value.size());
        len = static_cast<int64_t>(value.size());
        return NOOP;
    }

    int64_t len = SHIM_NOT_FOUND;

   private:
    char *buf_;
    size_t buf_len_;
};

class Each final : public tkrzw::DBM::RecordProcessor {
   public:
    Each(void *context, shim_each each) : context_(context), each_(each) {}

    std::string_view ProcessFull(std::string_view key, std::string_view value) override {
        each_(context_, key.data(), key.size(), value.data(), value.size());
        return NOOP;
    }

   private:
    void *context_;
    shim_each each_;
};

}  // namespace

extern "C" {

const char *tkz_error() { return last_error.c_str(); }

void *tkz_open(const char *path, uint64_t keys, bool appending, bool sync) {
    auto handle = std::make_unique<Handle>();
    tkrzw::HashDBM::TuningParameters tuning;
    tuning.update_mode =
        appending ? tkrzw::HashDBM::UPDATE_APPENDING : tkrzw::HashDBM::UPDATE_IN_PLACE;
    tuning.offset_width = 5;
    tuning.num_buckets = static_cast<int64_t>(keys * 2);
    tuning.cache_buckets = 1;
    handle->sync = sync;
    auto status = handle->dbm.OpenAdvanced(path, true, tkrzw::File::OPEN_DEFAULT, tuning);
    if (result(status) != 0) return nullptr;
    return handle.release();
}

int64_t tkz_close(void *at) {
    std::unique_ptr<Handle> handle(static_cast<Handle *>(at));
    return result(handle->dbm.Close());
}

int64_t tkz_put(void *at, const char *key, size_t key_len, const char *value, size_t value_len) {
    auto *handle = static_cast<Handle *>(at);
    return written(handle, handle->dbm.Set({key, key_len}, {value, value_len}));
}

int64_t tkz_delete(void *at, const char *key, size_t key_len) {
    auto *handle = static_cast<Handle *>(at);
    return written(handle, handle->dbm.Remove({key, key_len}));
}

int64_t tkz_batch(void *at, const shim_pair *pairs, size_t count) {
    auto *handle = static_cast<Handle *>(at);
    for (size_t i = 0; i < count; i++) {
        const shim_pair &pair = pairs[i];
        std::string_view key(pair.key, pair.key_len);
        auto status = pair.value == nullptr ? handle->dbm.Remove(key)
                                            : handle->dbm.Set(key, {pair.value, pair.value_len});
        if (status != tkrzw::Status::SUCCESS && status != tkrzw::Status::NOT_FOUND_ERROR) {
            return result(status);
        }
    }
    return written(handle, tkrzw::Status(tkrzw::Status::SUCCESS));
}

int64_t tkz_get(void *at, const char *key, size_t key_len, char *buf, size_t buf_len) {
    auto *handle = static_cast<Handle *>(at);
    CopyOut copy(buf, buf_len);
    auto status = handle->dbm.Process({key, key_len}, &copy, false);
    return status == tkrzw::Status::SUCCESS ? copy.len : result(status);
}

int64_t tkz_scan(void *at, void *context, shim_each each) {
    Each processor(context, each);
    return result(static_cast<Handle *>(at)->dbm.ProcessEach(&processor, false));
}

int64_t tkz_len(void *at) { return static_cast<Handle *>(at)->dbm.CountSimple(); }

int64_t tkz_compact(void *at) { return result(static_cast<Handle *>(at)->dbm.Rebuild()); }

}  // extern "C"
