#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "channel/carrier.h"
#include "channel/directory_mark.h"
#include "channel/doorbell.h"

namespace tr::channel {

/// `request.json` out, `response.json` in.
class FilesCarrier final : public Carrier {
  public:
    FilesCarrier(const std::string& directory, DirectoryMark mark, std::unique_ptr<Doorbell> doorbell);

    const char* name() const override { return "files"; }
    const char* tier() const override { return doorbell_->tier(); }
    void trust() override;
    bool request_pending() const override;
    void publish(const std::string& request) override;
    bool response_pending() const override;
    std::optional<std::string> take() override;
    void acknowledge() override;
    void ring_worker() override;
    void prepare() override {}  // the doorbell remembers
    void wait(platform::Deadline deadline) override { doorbell_->wait(deadline); }
    void wake() override { doorbell_->wake(); }
    void expect() override { doorbell_->expect(); }

  private:
    DirectoryMark mark_;
    std::string request_;
    std::string response_;
    std::string room_;
    bool trusted_ = false;
    std::unique_ptr<Doorbell> doorbell_;
};

/// Writes a file of the session atomically, and says what to do when there is no room for it.
/// @throws what throw_place_error throws
void write_session_file(const std::string& path, std::string_view head, std::string_view body = {});

}  // namespace tr::channel
